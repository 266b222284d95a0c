import type { Actor, Core, Run, RunEvent } from '../core/index.ts'
import { toEventLine } from './event-line.ts'
import type { ToolContext } from './tool.ts'

const EVERY_MS = 5_000

type Wait = {
  /** At most 45. */
  seconds: number
  context: ToolContext
  everyMs?: number
}

/**
 * Waits from the run as it was read last until it is over or needs a person (anew, when it needed one then), and meanwhile
 * tells the caller, where it asked for progress, what the run is at: the next event at once, then the latest at most every
 * 5 seconds. Cancelling the call ends the waiting, not the run.
 */
export async function followRun(core: Core, actor: Actor, run: Run, wait: Wait): Promise<Run> {
  const { seconds, context, everyMs = EVERY_MS } = wait
  const { signal } = context
  const until = Date.now() + seconds * 1_000
  const over = new AbortController()
  const telling = tellProgress(core, actor, run, context, AbortSignal.any([signal, over.signal]), everyMs)
  try {
    let now = run
    // What it waits for is known to the caller: somebody's decision takes it on.
    if (run.pending.length > 0) now = await core.runs.wait(actor, run.id, { seconds, signal, from: run })
    const left = (until - Date.now()) / 1_000
    return left > 0 && !signal.aborted ? await core.runs.wait(actor, run.id, { seconds: left, signal }) : now
  } finally {
    over.abort()
    await telling
  }
}

async function tellProgress(
  core: Core,
  actor: Actor,
  run: Run,
  { progress }: ToolContext,
  signal: AbortSignal,
  everyMs: number,
): Promise<void> {
  if (!progress) return
  let latest: RunEvent | undefined
  let told = 0
  const tell = async () => {
    if (!latest || latest.seq <= told) return
    told = latest.seq
    await progress(latest.seq, toEventLine(latest)).catch(() => {
      // The caller is gone; the abort of its call ends this.
    })
  }
  const timer = setInterval(() => void tell(), everyMs)
  try {
    for await (const batch of core.runs.watch(actor, run.id, { after: run.last_seq, signal })) {
      latest = batch.at(-1) ?? latest
      if (told === 0) await tell()
    }
  } catch {
    // Progress is a courtesy: what is wrong with the run, its answer says. An aborted watch ends here too.
  } finally {
    clearInterval(timer)
  }
}
