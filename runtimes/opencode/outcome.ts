/** What has become of a run, from what OpenCode has stored and what it is doing now. Pure. */
import type { RuntimeInterrupt, Snapshot } from '../../core/index.ts'
import type { Message } from './client.ts'
import { beginsRun } from './message-id.ts'
import { usageOf } from './translate.ts'

export type Facts = {
  /** From the run's prompt on; null when OpenCode does not have it. */
  messages: Message[] | null
  /** Something is at work in the session now. */
  busy: boolean
  interrupts: RuntimeInterrupt[]
  /** The run was told to stop. */
  cancelled: boolean
}

/** `unanswered`: the session is idle and a prompt of the run has no answer yet, so it must be set going. */
export type Judged = Snapshot | { status: 'unanswered' }

/** The messages of this run: up to the prompt of the next one. */
export function ownMessages(messages: Message[]): Message[] {
  const next = messages.findIndex(({ info }, index) => index > 0 && info.role === 'user' && beginsRun(info.id))
  return next < 0 ? messages : messages.slice(0, next)
}

/**
 * Idle alone says nothing: a run has succeeded when its last prompt has an answer that is complete and without error. A session
 * that waits for a person is busy for OpenCode.
 */
export function judge({ messages, busy, interrupts, cancelled }: Facts): Judged {
  if (messages === null) return { status: 'unknown' }
  const own = ownMessages(messages)
  const usage = usageOf(own)
  const output = outputOf(own)
  const told = { usage, ...(output === null ? {} : { output }) }
  // Work of a later run in the same session is not this one's.
  if (busy && own.length === messages.length) {
    return interrupts.length > 0 ? { status: 'awaiting_input', interrupts, ...told } : { status: 'running', ...told }
  }
  const prompt = own.findLast(({ info }) => info.role === 'user')!.info
  const last = own.findLast(({ info }) => info.role === 'assistant')?.info
  const answered = last?.parentID === prompt.id
  if (last?.error && (answered || cancelled)) {
    const { name, data } = last.error
    if (name === 'MessageAbortedError') return { status: 'cancelled', ...told }
    const code =
      name === 'APIError' || name === 'ProviderAuthError' || name === 'ContextOverflowError'
        ? 'model_failed'
        : 'runtime_failed'
    return { status: 'failed', error: { code, message: describe(name, data) }, ...told }
  }
  if (answered && last?.finish && last.time.completed !== undefined) return { status: 'succeeded', ...told }
  if (cancelled) return { status: 'cancelled', ...told }
  if (!answered) return { status: 'unanswered' }
  return {
    status: 'failed',
    error: {
      code: 'runtime_failed',
      message: 'The inline harness ended in the middle of this run and could not go on with it.',
    },
    ...told,
  }
}

/** The text of the last message that has some. */
function outputOf(messages: Message[]): string | null {
  for (const { info, parts } of messages.toReversed()) {
    if (info.role !== 'assistant') continue
    const text = parts
      .flatMap((part) => (part.type === 'text' && !part.synthetic && part.text !== '' ? [part.text] : []))
      .join('\n')
    if (text.trim() !== '') return text
  }
  return null
}

function describe(name: string, data: { message?: string; statusCode?: number } | undefined): string {
  const message = data?.message ?? name
  return data?.statusCode === undefined ? message : `The model provider answered ${data.statusCode}: ${message}`
}
