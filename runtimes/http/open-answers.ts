/**
 * Runs whose request is still open: the answer's body is the run. What it tells is kept here so that a stream can be left and
 * taken up again. All of it is lost with the process; `status` then says `unknown`.
 */
import type { IncomingMessage } from 'node:http'
import type { RuntimeEvent, Snapshot } from '../../core/index.ts'
import { type Exchange, readAnswer, reasonOf } from './connection.ts'
import { readEventStream } from './event-stream.ts'
import { nothingTold, type Told, tell, toError, toRuntimeEvent, toSnapshot, WireError, WireUsage } from './events.ts'

/** Beyond this the agent is not read until a watcher has caught up. */
const MAX_UNREAD_BYTES = 1024 * 1024
/** What a watcher has read is kept up to here, for one that comes again with an older cursor. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024
const KEPT_AFTER_END_MS = 5 * 60_000
const MAX_ENDED = 1_000
const MAX_ENDED_BYTES = 64 * 1024 * 1024

type Entry = { number: number; bytes: number; event: RuntimeEvent }
type OpenAnswer = {
  told: Told
  entries: Entry[]
  /** Number of the last event that was handed to a watcher. */
  read: number
  next: number
  keptBytes: number
  unreadBytes: number
  /** Null while the body is open. `unknown`: it broke off. */
  outcome: Snapshot | null
  forget: NodeJS.Timeout | null
  changed: Set<() => void>
  close: () => void
}

export type OpenAnswers = ReturnType<typeof openAnswers>

export function openAnswers() {
  const answers = new Map<string, OpenAnswer>()

  /** Takes the answer of a request over; `response` may still be outstanding. */
  function hold(runId: string, exchange: Exchange, response: Promise<IncomingMessage> | IncomingMessage): void {
    const answer: OpenAnswer = {
      told: nothingTold(),
      entries: [],
      read: 0,
      next: 1,
      keptBytes: 0,
      unreadBytes: 0,
      outcome: null,
      forget: null,
      changed: new Set(),
      close: exchange.close,
    }
    answers.set(runId, answer)
    exchange.keep()
    const ended = (outcome: Snapshot) => end(runId, answer, outcome)
    readBody(runId, answer, response).then(ended, (error: unknown) =>
      ended(
        answer.told.finished
          ? toSnapshot(answer.told)
          : { status: 'unknown', error: { code: 'runtime_failed', message: String(error) } },
      ),
    )
  }

  function end(runId: string, answer: OpenAnswer, outcome: Snapshot): void {
    if (answer.outcome) return
    answer.outcome = outcome
    answer.close()
    answer.forget = setTimeout(() => answers.delete(runId), KEPT_AFTER_END_MS).unref()
    notify(answer)
    const over = [...answers].filter(([, { outcome }]) => outcome !== null)
    let bytes = over.reduce((sum, [, { keptBytes }]) => sum + keptBytes, 0)
    for (let i = 0; i < over.length - 1 && (over.length - i > MAX_ENDED || bytes > MAX_ENDED_BYTES); i++) {
      const [oldest, { forget, keptBytes }] = over[i]!
      bytes -= keptBytes
      if (forget) clearTimeout(forget)
      answers.delete(oldest)
    }
  }

  /** Events after `cursor`, then those to come; returns when the answer has ended or the signal aborts. */
  async function* follow(runId: string, cursor: string | undefined, signal: AbortSignal): AsyncGenerator<RuntimeEvent> {
    const answer = answers.get(runId)
    if (!answer) return
    let last = cursor === undefined ? 0 : Number(cursor) || 0
    while (!signal.aborted) {
      // Numbers are gapless: where an event stands follows from the first one that is still kept.
      const entry = answer.entries[Math.max(0, last + 1 - (answer.entries[0]?.number ?? 0))]
      if (entry) {
        last = entry.number
        markRead(answer, entry)
        yield entry.event
      } else if (answer.outcome) return
      else await change(answer, signal)
    }
  }

  return {
    hold,
    follow,
    has: (runId: string) => answers.has(runId),
    status(runId: string): Snapshot {
      const answer = answers.get(runId)
      if (!answer) return { status: 'unknown' }
      return answer.outcome ?? toSnapshot(answer.told)
    },
    /** The runtime has taken the answer to an interrupt. */
    resolve: (runId: string, interruptId: string) => void answers.get(runId)?.told.interrupts.delete(interruptId),
    /** Closes the connection, which ends the run. */
    cancel(runId: string): 'done' | 'already_terminal' | 'lost' {
      const answer = answers.get(runId)
      if (!answer) return 'lost'
      if (answer.outcome) return answer.outcome.status === 'unknown' ? 'lost' : 'already_terminal'
      const { usage } = toSnapshot(answer.told)
      end(runId, answer, { status: 'cancelled', ...(usage && { usage }) })
      return 'done'
    },
    closeAll(): void {
      for (const answer of answers.values()) {
        if (answer.forget) clearTimeout(answer.forget)
        answer.outcome ??= { status: 'unknown' }
        answer.close()
        notify(answer)
      }
      answers.clear()
    },
  }
}

async function readBody(
  runId: string,
  answer: OpenAnswer,
  outstanding: Promise<IncomingMessage> | IncomingMessage,
): Promise<Snapshot> {
  const response = await outstanding
  const status = response.statusCode ?? 0
  if (status === 200 && response.headers['content-type']?.startsWith('text/event-stream')) {
    for await (const { value, chars } of readEventStream(response)) {
      add(answer, value, chars)
      if (answer.told.finished) break
      while (answer.unreadBytes > MAX_UNREAD_BYTES && !answer.outcome) await change(answer)
    }
    if (answer.told.finished) return toSnapshot(answer.told)
    return failed('The agent ended its event stream without a `finished` event: what became of the run is not known.')
  }
  const whole = await readAnswer(response)
  if (status === 202)
    return failed('The agent answered 202, which needs mode async or durable in the settings of the runtime.')
  if (status >= 500)
    return { status: 'unknown', error: { code: 'runtime_failed', message: `The agent answered ${reasonOf(whole)}` } }
  if (status !== 200)
    return { status: 'failed', error: { code: 'runtime_rejected', message: `The agent answered ${reasonOf(whole)}` } }
  for (const event of toEvents(runId, whole.json)) add(answer, event, whole.text.length)
  return toSnapshot(answer.told)
}

/** The events that a whole JSON answer stands for: `{output, usage?}` or `{error, usage?}`. */
function toEvents(runId: string, json: unknown): unknown[] {
  const body = json !== null && typeof json === 'object' ? json : {}
  const usage = WireUsage.safeParse('usage' in body ? body.usage : undefined)
  const told = usage.success ? { usage: usage.data } : {}
  if ('error' in body && body.error != null) {
    const error = WireError.safeParse(typeof body.error === 'string' ? { message: body.error } : body.error)
    return [{ type: 'finished', status: 'failed', error: error.success ? error.data : toError(undefined), ...told }]
  }
  if (!('output' in body) || typeof body.output !== 'string') {
    return [{ type: 'finished', status: 'failed', error: { message: 'The agent answered 200 without `output`.' } }]
  }
  const text = body.output === '' ? [] : [{ type: 'text', message_id: `${runId}-output`, delta: body.output }]
  return [...text, { type: 'finished', status: 'succeeded', output: body.output, ...told }]
}

function add(answer: OpenAnswer, value: unknown, bytes: number): void {
  if (answer.outcome) return
  tell(answer.told, value)
  const number = answer.next
  const event = toRuntimeEvent(value, String(number))
  if (!event) return
  answer.next++
  answer.entries.push({ number, bytes, event })
  answer.keptBytes += bytes
  answer.unreadBytes += bytes
  notify(answer)
}

function markRead(answer: OpenAnswer, { number, bytes }: Entry): void {
  if (number <= answer.read) return
  answer.read = number
  answer.unreadBytes -= bytes
  while (answer.keptBytes > MAX_KEPT_BYTES && (answer.entries[0]?.number ?? number) < number)
    answer.keptBytes -= answer.entries.shift()!.bytes
  notify(answer)
}

const failed = (message: string): Snapshot => ({ status: 'failed', error: { code: 'runtime_failed', message } })

function notify(answer: OpenAnswer): void {
  for (const wake of answer.changed) wake()
}

/** Resolves at the next change of the answer, or when the signal aborts. */
function change(answer: OpenAnswer, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      answer.changed.delete(wake)
      signal?.removeEventListener('abort', wake)
      resolve()
    }
    answer.changed.add(wake)
    signal?.addEventListener('abort', wake, { once: true })
  })
}
