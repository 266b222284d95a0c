import type { Db } from '../database.ts'
import { newId } from '../id.ts'
import type { Ref, RuntimeEvent, RuntimeInterrupt } from '../ports.ts'
import type { Usage } from '../shapes.ts'
import type { Feed } from './feed.ts'
import type { FramedEvent, framing } from './framing.ts'
import { wellFormed } from './framing.ts'
import type { NewEvent } from './log.ts'
import { append, type Outcome, type Progress, settle } from './settle.ts'

/** Later events of a run are written at most this often; the first is written at once. */
const BATCH_MS = 30
/** Events waiting to be written before the runtime's stream is held up. */
const MAX_WAITING = 2_000

export type Recorder = ReturnType<typeof createRecorder>

/** An interrupt as it is stored and shown: by the id of its approval. */
export type Waiting = { approvalId: string; interrupt: RuntimeInterrupt; expiresAt: Date }

type RecorderInput = {
  db: Db
  feed: Feed
  run: { id: string; sessionId: string; fence: number; nextSeq: number }
  framing: ReturnType<typeof framing>
  /** Native ids of interrupts stored earlier, and which of them the run waits for now. */
  interrupts: { known: string[]; waiting: Waiting[] /** Null: the log is not paused. */; interruptedAt: Date | null }
  inputMs: number
  deadlineAt: Date | null
  /** Called once when writing fails: another worker holds the run, or the database is gone. */
  onLost(error: unknown): void
}

/** The one writer of a run's log: frames, batches and commits what the runtime tells, then shows it to watchers. */
export function createRecorder(input: RecorderInput) {
  const { db, feed, run, framing: frames } = input
  const known = new Set(input.interrupts.known)
  const waiting = new Map(input.interrupts.waiting.map((one) => [one.interrupt.id, one]))
  let interrupted = input.interrupts.interruptedAt !== null
  let interruptedAt = (input.interrupts.interruptedAt ?? new Date()).getTime()
  let deadlineAt = input.deadlineAt
  let nextSeq = run.nextSeq
  let queue: NewEvent[] = []
  let progress: Progress = {}
  let cursor: string | null = null
  let writing: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | null = null
  let lastWrite = 0
  let lost = false
  let lastEventAt = Date.now()
  let usage: Partial<Usage> = {}
  let usageTold = ''

  const now = (type: string, fields: Record<string, unknown>): NewEvent => ({ type, at: new Date(), ...fields })
  const lifecycle = { threadId: run.sessionId, runId: run.id }

  function push(added: NewEvent[]): void {
    if (added.length === 0) return
    if (interrupted && added[0]!.type !== 'RUN_STARTED') resumeLog()
    for (const event of added) {
      const before = queue.at(-1)
      const joins =
        before !== undefined &&
        before.type === event.type &&
        /^(TEXT|REASONING)_MESSAGE_CONTENT$/.test(event.type) &&
        before.messageId === event.messageId
      if (joins) before.delta = String(before.delta) + String(event.delta)
      else queue.push(event)
    }
    schedule()
  }

  /** AG-UI has nothing between an interrupt and the next RUN_STARTED. */
  function resumeLog(): void {
    interrupted = false
    queue.push(now('RUN_STARTED', lifecycle))
    progress.status = 'running'
    if (deadlineAt) {
      deadlineAt = new Date(deadlineAt.getTime() + Date.now() - interruptedAt)
      progress.deadlineAt = deadlineAt
    }
  }

  function schedule(): void {
    if (timer || lost) return
    timer = setTimeout(() => void flush().catch(() => {}), Math.max(0, lastWrite + BATCH_MS - Date.now()))
  }

  /** Resolves when all that was told so far is committed. Rejects when it cannot be: the run is another's then. */
  function flush(): Promise<void> {
    if (timer) clearTimeout(timer)
    timer = null
    const done = writing.then(write)
    writing = done.catch(() => {})
    return done
  }

  async function write(): Promise<void> {
    if (lost) throw new Error(`run ${run.id} is no longer written here`)
    if (waiting.size > 0 && !interrupted) {
      queue.push(
        ...frames.closeAll(),
        now('RUN_FINISHED', {
          ...lifecycle,
          outcome: { type: 'interrupt', interrupts: [...waiting.values()].map(toInterrupt) },
        }),
      )
      interrupted = true
      interruptedAt = Date.now()
      progress.status = 'awaiting_input'
    }
    const batch = take()
    if (batch.events.length === 0 && Object.keys(batch.progress).length === 0) return
    try {
      const written = await append(db, run, nextSeq, batch.events, batch.progress)
      nextSeq = written.nextSeq
      lastWrite = Date.now()
      feed.publish(run.id, written.events)
    } catch (error) {
      lost = true
      input.onLost(error)
      throw error
    }
  }

  function take(): { events: NewEvent[]; progress: Progress } {
    const batch = { events: queue, progress }
    queue = []
    progress = {}
    // The cursor covers this batch only when none of its text is held back.
    if (cursor !== null && !frames.holding()) {
      batch.progress.cursor = { value: cursor, seq: nextSeq + batch.events.length - 1 }
      cursor = null
    }
    const redactions = frames.redactions()
    if (redactions > 0 && batch.events.length > 0) batch.progress.redactions = redactions
    return batch
  }

  function open(interrupt: RuntimeInterrupt): void {
    if (known.has(interrupt.id)) return
    known.add(interrupt.id)
    // Scrubbed here: from here on it is stored and shown.
    const shown: RuntimeInterrupt = {
      ...interrupt,
      message: frames.cleanText(interrupt.message),
      options: interrupt.options.map((option) => ({ ...option, label: frames.cleanText(option.label) })),
      ...(interrupt.tool === undefined ? {} : { tool: wellFormed(interrupt.tool) }),
      ...(interrupt.arguments === undefined ? {} : { arguments: frames.clean(interrupt.arguments) }),
    }
    const one = { approvalId: newId('apr'), interrupt: shown, expiresAt: new Date(Date.now() + input.inputMs) }
    waiting.set(interrupt.id, one)
    progress.opened = [...(progress.opened ?? []), one]
    if (interrupted) resumeLog()
    schedule()
  }

  /** The answer was taken, or is no longer wanted. */
  function resolve(id: string): void {
    if (!waiting.delete(id)) return
    if (interrupted) resumeLog()
    schedule()
  }

  // Watchers see that the run begins even while its runtime is still being opened.
  if (nextSeq === 1) push([now('RUN_STARTED', lifecycle)])

  return {
    /** The ref that was chosen is committed before anything is sent. */
    async begin(ref: Ref, deadline: Date): Promise<void> {
      deadlineAt = deadline
      progress = { ...progress, ref, phase: 'starting', deadlineAt: deadline }
      await flush()
    },
    note(added: Pick<Progress, 'ref' | 'phase'>): void {
      progress = { ...progress, ...added }
      schedule()
    },
    tell(fact: Exclude<RuntimeEvent, { type: 'artifact' }>): void {
      lastEventAt = Date.now()
      switch (fact.type) {
        case 'interrupt':
          open(fact.interrupt)
          break
        case 'interrupt_resolved':
          if (waiting.has(fact.id)) progress.closed = [...(progress.closed ?? []), fact.id]
          resolve(fact.id)
          break
        case 'usage':
          tellUsage(fact.usage)
          break
        default:
          push(frames.frame(fact satisfies FramedEvent))
      }
      if (fact.cursor !== undefined) cursor = fact.cursor
    },
    custom(name: string, value: unknown): void {
      push([now('CUSTOM', { name, value: frames.clean(value) })])
    },
    resolve,
    flush,
    /** Waits while too much is unwritten. */
    async room(): Promise<void> {
      if (queue.length >= MAX_WAITING) await flush()
    },
    async finish(outcome: Outcome, ref: Ref | undefined): Promise<void> {
      await flush()
      waiting.clear()
      if (interrupted) resumeLog()
      queue.push(...frames.closeAll())
      const output = outcome.output === null ? frames.answer() : frames.cleanText(outcome.output)
      const final: Outcome =
        outcome.status === 'failed'
          ? { ...outcome, output, error: { ...outcome.error, message: frames.cleanText(outcome.error.message) } }
          : { ...outcome, output }
      queue.push(toFinal(final, lifecycle))
      const batch = take()
      delete batch.progress.status
      const done = writing.then(async () => {
        lost = true
        try {
          const written = await settle(db, run, nextSeq, batch.events, final, {
            ...batch.progress,
            ...(ref === undefined ? {} : { ref }),
          })
          nextSeq = written.nextSeq
          feed.publish(run.id, written.events)
        } catch (error) {
          // What the runtime says is still true: the next holder asks it again.
          input.onLost(error)
          throw error
        }
      })
      writing = done.catch(() => {})
      await done
    },
    /** Stops writing without an outcome: the run goes on elsewhere or later. */
    async leave(): Promise<void> {
      if (timer) clearTimeout(timer)
      timer = null
      if (!lost) await flush().catch(() => {})
      lost = true
    },
    isWaiting: () => waiting.size > 0,
    silentMs: () => Date.now() - lastEventAt,
    touch: () => {
      lastEventAt = Date.now()
    },
    deadlineAt: () => deadlineAt,
    usage: () => usage,
    hasAnswer: () => frames.answer() !== null,
  }

  function tellUsage(told: Partial<Usage>): void {
    usage = { ...usage, ...told }
    progress.usage = usage
    const text = JSON.stringify(usage)
    if (text === usageTold) return
    usageTold = text
    push([now('CUSTOM', { name: 'usage', value: usage })])
  }
}

function toInterrupt({ approvalId, interrupt, expiresAt }: Waiting) {
  const { kind, message, tool, toolCallId, arguments: args, options } = interrupt
  return {
    id: approvalId,
    reason: kind,
    message,
    expiresAt: expiresAt.toISOString(),
    ...(toolCallId === undefined ? {} : { toolCallId }),
    metadata: { tool: tool ?? null, arguments: args ?? null, options },
  }
}

function toFinal(outcome: Outcome, lifecycle: { threadId: string; runId: string }): NewEvent {
  const at = new Date()
  switch (outcome.status) {
    case 'succeeded':
      return {
        type: 'RUN_FINISHED',
        at,
        ...lifecycle,
        outcome: { type: 'success' },
        ...(outcome.output === null ? {} : { result: wellFormed(outcome.output) }),
      }
    case 'cancelled':
      return { type: 'RUN_FINISHED', at, ...lifecycle, outcome: { type: 'cancelled' } }
    case 'failed':
      return { type: 'RUN_ERROR', at, code: outcome.error.code, message: outcome.error.message }
  }
}
