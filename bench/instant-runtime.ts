import * as z from 'zod'
import type { Capabilities, Ref, RuntimeEvent, RuntimeKind, Snapshot } from '../core/index.ts'

/** What a prompt asks of it. */
export const prompts = {
  /** Answers at once and is done. */
  instant: 'instant',
  /** Says one word and goes on until it is cancelled. */
  hold: 'hold',
  /** Waits for `open()` of this run, then tells so many lines of progress as fast as it is listened to. */
  flood: (events: number) => `flood ${events}`,
}

export type InstantRuntime = {
  kind: RuntimeKind
  /** Runs started so far. */
  started(): number
  /** Resolves when this many were started. */
  startedCount(count: number): Promise<void>
  /** `performance.now()` when the run was told to stop. */
  toldToStop(runId: string): number | undefined
  /** Lets a flood begin. */
  open(runId: string): void
}

/** A runtime in this process that costs nothing, so that what is measured is the hub. */
export function instantRuntime(): InstantRuntime {
  const runs = new Map<
    string,
    { prompt: string; status: Snapshot['status']; ended: AbortController; opened: AbortController }
  >()
  const stops = new Map<string, number>()
  let waiting: { count: number; resolve: () => void } | null = null
  let started = 0

  async function* tell(runId: string, signal: AbortSignal): AsyncGenerator<RuntimeEvent> {
    const run = runs.get(runId)
    if (!run) return
    if (run.prompt === prompts.instant || run.prompt === prompts.hold)
      yield { type: 'text', messageId: 'm1', delta: 'done' }
    if (run.prompt === prompts.hold) return await aborted(AbortSignal.any([run.ended.signal, signal]))
    const [, events] = /^flood (\d+)$/.exec(run.prompt) ?? []
    if (events !== undefined) await aborted(AbortSignal.any([run.opened.signal, signal]))
    for (let at = 0; at < Number(events ?? 0); at++)
      yield { type: 'progress', message: `line ${at} of a run that has much to tell to whoever watches it` }
    if (run.status === 'running') run.status = 'succeeded'
  }

  return {
    kind: {
      kind: 'instant',
      title: 'Instant',
      settings: z.strictObject({}),
      capabilities: () => capabilities,
      open: () => ({
        kind: 'instant',
        health: async () => ({
          status: 'ok',
          version: null,
          models: [],
          message: null,
          remedy: null,
          checked_at: null,
        }),
        prepare: (turn) => ({ run: turn.runId }),
        async start(ref, turn) {
          runs.set(turn.runId, {
            prompt: turn.input.text,
            status: 'running',
            ended: new AbortController(),
            opened: new AbortController(),
          })
          started += 1
          if (waiting && started >= waiting.count) waiting.resolve()
          return ref
        },
        stream: (ref, io) => tell(runOf(ref), io.signal),
        status: async (ref) => ({ status: runs.get(runOf(ref))?.status ?? 'unknown' }),
        async send(ref) {
          const runId = runOf(ref)
          stops.set(runId, performance.now())
          const run = runs.get(runId)
          if (run?.status !== 'running') return { result: 'already_terminal' }
          run.status = 'cancelled'
          run.ended.abort()
          return { result: 'done' }
        },
      }),
    },
    started: () => started,
    startedCount: (count) =>
      started >= count ? Promise.resolve() : new Promise((resolve) => (waiting = { count, resolve })),
    toldToStop: (runId) => stops.get(runId),
    open: (runId) => runs.get(runId)?.opened.abort(),
  }
}

const capabilities: Capabilities = {
  continue: true,
  deltas: true,
  resume: 'none',
  cancel: 'sync',
  steer: false,
  interrupts: [],
  usage: 'none',
  cost: false,
  idempotent_start: false,
  placement: 'anywhere',
  config: {
    instructions: 'none',
    model: false,
    env: false,
    skills: false,
    mcp_servers: false,
    permissions: false,
    files: false,
  },
}

const runOf = ({ run }: Ref): string => (typeof run === 'string' ? run : '')

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) =>
    signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
  )
}
