/** npm and npx pass Ctrl-C on to a child that the terminal has already told: what comes again this soon is the same key press. */
const SAME_PRESS_MS = 400

/**
 * Calls `pressed` for each Ctrl-C (SIGINT) and, when asked for, SIGTERM, with how often it came. Returns what ends it:
 * from then on the signals do what they do by default.
 */
export function onInterrupt(
  pressed: (times: number, signal: NodeJS.Signals) => void,
  options: { signals?: NodeJS.Signals[]; now?: () => number } = {},
): () => void {
  const { signals = ['SIGINT'], now = Date.now } = options
  let times = 0
  let last = Number.NEGATIVE_INFINITY
  const heard = (signal: NodeJS.Signals): void => {
    const at = now()
    if (at - last < SAME_PRESS_MS) return
    last = at
    times += 1
    pressed(times, signal)
  }
  for (const signal of signals) process.on(signal, heard)
  return () => {
    for (const signal of signals) process.off(signal, heard)
  }
}
