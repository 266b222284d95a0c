import type { Actor, Core, Run, RunEvent } from '../core/index.ts'
import { toEventLine } from './event-line.ts'
import type { ToolContext } from './tool.ts'

const EVERY_MS = 5_000

type Wait = {
  /** At most 45. */
  seconds: number
  context: ToolContext
  /** Wait for any change from this run on, instead of until it is over or needs input. */
  from?: Run
  everyMs?: number
}

/**
 * Waits as `core.runs.wait` does and meanwhile tells the caller, where it asked for progress, what the run is at: the first
 * event at once, then the latest at most every 5 seconds. Cancelling the call ends the waiting, not the run.
 */
export async function waitForRun(core: Core, actor: Actor, runId: string, wait: Wait): Promise<Run> {
  const { seconds, context, from, everyMs = EVERY_MS } = wait
  const over = new AbortController()
  const telling = tellProgress(core, actor, runId, context, AbortSignal.any([context.signal, over.signal]), everyMs)
  try {
    return await core.runs.wait(actor, runId, { seconds, signal: context.signal, ...(from ? { from } : {}) })
  } finally {
    over.abort()
    await telling
  }
}

async function tellProgress(
  core: Core,
  actor: Actor,
  runId: string,
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
    for await (const batch of core.runs.watch(actor, runId, { signal })) {
      latest = batch.at(-1) ?? latest
      if (told === 0) await tell()
    }
  } catch {
    // Progress is a courtesy: what is wrong with the run, its answer says. An aborted watch ends here too.
  } finally {
    clearInterval(timer)
  }
}
