/** The events of the wire: their shapes, their translation to runtime events, and what follows from them for the run. */
import * as z from 'zod'
import type { RuntimeEvent, RuntimeInterrupt, Snapshot, Usage } from '../../core/index.ts'
import { InterruptOption } from '../../core/index.ts'

const id = z.string().min(1).max(200)
const count = z.number().int().nonnegative()

export const WireUsage = z.object({
  input_tokens: count.optional(),
  output_tokens: count.optional(),
  cache_read_tokens: count.optional(),
  cache_write_tokens: count.optional(),
  model_calls: count.optional(),
  cost_micro_usd: count.optional(),
  cost_kind: z.enum(['none', 'list', 'charged', 'estimated']).optional(),
})

export const WireInterrupt = z.object({
  id,
  kind: z.enum(['permission', 'question', 'client_tool', 'sign_in']),
  message: z.string(),
  tool: z.string().optional(),
  tool_call_id: id.optional(),
  arguments: z.unknown().optional(),
  options: z.array(InterruptOption).min(1),
})

export const WireError = z.object({ code: z.string().optional(), message: z.string() })

const WireEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), message_id: id, delta: z.string() }),
  z.object({ type: z.literal('text_snapshot'), message_id: id, text: z.string() }),
  z.object({ type: z.literal('reasoning'), message_id: id, delta: z.string() }),
  z.object({
    type: z.literal('tool_call'),
    tool_call_id: id,
    name: z.string().min(1),
    kind: z.enum(['read', 'edit', 'delete', 'move', 'search', 'execute', 'think', 'fetch', 'other']).optional(),
    arguments: z.unknown().optional(),
  }),
  z.object({ type: z.literal('tool_result'), tool_call_id: id, content: z.string(), is_error: z.boolean().optional() }),
  z.object({ type: z.literal('interrupt'), interrupt: WireInterrupt }),
  z.object({ type: z.literal('interrupt_resolved'), id }),
  z.object({ type: z.literal('usage'), usage: WireUsage }),
  z.object({
    type: z.literal('artifact'),
    name: z.string().min(1).max(255),
    media_type: z.string().min(1),
    content_base64: z.base64(),
  }),
  z.object({ type: z.literal('progress'), message: z.string() }),
  z.object({
    type: z.literal('finished'),
    status: z.enum(['succeeded', 'failed', 'cancelled']),
    output: z.string().optional(),
    error: WireError.optional(),
    usage: WireUsage.optional(),
  }),
])
type WireEvent = z.infer<typeof WireEvent>
export const eventTypes: readonly string[] = WireEvent.options.map(({ shape }) => shape.type.value)

/** One event as it came, or null for what this version does not know: it is kept as `raw`, never thrown. */
export function readEvent(value: unknown): WireEvent | null {
  const parsed = WireEvent.safeParse(value)
  return parsed.success ? parsed.data : null
}

/** The runtime event for one event of the wire; null for a `finished` without usage, which tells the outcome only. */
export function toRuntimeEvent(value: unknown, cursor?: string): RuntimeEvent | null {
  const event = toEvent(value)
  return event && cursor !== undefined ? { cursor, ...event } : event
}

function toEvent(value: unknown): RuntimeEvent | null {
  const event = readEvent(value)
  if (!event) return { type: 'raw', source: 'http', event: value }
  switch (event.type) {
    case 'text':
    case 'reasoning':
      return { type: event.type, messageId: event.message_id, delta: event.delta }
    case 'text_snapshot':
      return { type: 'text_snapshot', messageId: event.message_id, text: event.text }
    case 'tool_call': {
      const { type, tool_call_id: toolCallId, name, kind, arguments: given } = event
      return { type, toolCallId, name, ...(kind && { kind }), ...(given !== undefined && { arguments: given }) }
    }
    case 'tool_result': {
      const { type, tool_call_id: toolCallId, content, is_error: isError } = event
      return { type, toolCallId, content, ...(isError !== undefined && { isError }) }
    }
    case 'interrupt':
      return { type: 'interrupt', interrupt: toInterrupt(event.interrupt) }
    case 'interrupt_resolved':
      return { type: 'interrupt_resolved', id: event.id }
    case 'usage':
      return { type: 'usage', usage: toUsage(event.usage) }
    case 'artifact': {
      const content = Buffer.from(event.content_base64, 'base64')
      return { type: 'artifact', name: event.name, mediaType: event.media_type, read: async () => content }
    }
    case 'progress':
      return { type: 'progress', message: event.message }
    case 'finished':
      return event.usage ? { type: 'usage', usage: toUsage(event.usage) } : null
  }
}

export function toInterrupt(interrupt: z.infer<typeof WireInterrupt>): RuntimeInterrupt {
  const { tool_call_id: toolCallId, ...rest } = interrupt
  return { ...rest, ...(toolCallId !== undefined && { toolCallId }) }
}

/** A cost without a kind is what the agent was charged. */
export function toUsage(usage: z.infer<typeof WireUsage>): Partial<Usage> {
  return usage.cost_micro_usd !== undefined && usage.cost_kind === undefined
    ? { ...usage, cost_kind: 'charged' }
    : usage
}

const ERROR_CODES = ['runtime_failed', 'runtime_rejected', 'model_failed', 'limit_turns', 'budget_exceeded'] as const

/** A code that is none of the hub's stands in the message, so that nothing the agent said is lost. */
export function toError(error: z.infer<typeof WireError> | undefined): NonNullable<Snapshot['error']> {
  if (!error) return { code: 'runtime_failed', message: 'The agent failed and gave no reason.' }
  const code = ERROR_CODES.find((known) => known === error.code)
  const message = error.message.slice(0, 2_000) || 'The agent failed and gave no reason.'
  return code
    ? { code, message }
    : { code: 'runtime_failed', message: error.code ? `${error.code}: ${message}` : message }
}

/** What a run has told so far. */
export type Told = {
  messages: Map<string, string>
  /** In all messages together. */
  chars: number
  last: string | null
  interrupts: Map<string, RuntimeInterrupt>
  usage: Partial<Usage>
  finished: Extract<WireEvent, { type: 'finished' }> | null
}

/** Of what a run says, this much is kept for its output; `finished` may give another one. */
export const MAX_SAID_CHARS = 8 * 1024 * 1024

export const nothingTold = (): Told => ({
  messages: new Map(),
  chars: 0,
  last: null,
  interrupts: new Map(),
  usage: {},
  finished: null,
})

/** Takes one more event into account. What comes after `finished` changes nothing. */
export function tell(told: Told, value: unknown): void {
  const event = readEvent(value)
  if (!event || told.finished) return
  switch (event.type) {
    case 'text':
      say(told, event.message_id, (told.messages.get(event.message_id) ?? '') + event.delta)
      return
    case 'text_snapshot':
      say(told, event.message_id, event.text)
      return
    case 'interrupt':
      told.interrupts.set(event.interrupt.id, toInterrupt(event.interrupt))
      return
    case 'interrupt_resolved':
      told.interrupts.delete(event.id)
      return
    case 'usage':
      told.usage = { ...told.usage, ...toUsage(event.usage) }
      return
    case 'finished':
      told.finished = event
      if (event.usage) told.usage = { ...told.usage, ...toUsage(event.usage) }
      return
    case 'reasoning':
    case 'tool_call':
    case 'tool_result':
    case 'artifact':
    case 'progress':
      return
  }
}

/** The last message is the output: older ones go first when there is too much. */
function say(told: Told, id: string, text: string): void {
  const kept = text.length > MAX_SAID_CHARS ? text.slice(0, MAX_SAID_CHARS) : text
  told.chars += kept.length - (told.messages.get(id)?.length ?? 0)
  told.messages.set(id, kept)
  told.last = id
  for (const [older, { length }] of told.messages) {
    if (told.chars <= MAX_SAID_CHARS) return
    if (older === id) continue
    told.messages.delete(older)
    told.chars -= length
  }
}

/** The run as its events tell it. The output is what `finished` says, else the text of the last message. */
export function toSnapshot(told: Told): Snapshot {
  const { finished } = told
  const usage = Object.keys(told.usage).length > 0 ? { usage: told.usage } : {}
  if (!finished) {
    if (told.interrupts.size === 0) return { status: 'running', ...usage }
    return { status: 'awaiting_input', interrupts: [...told.interrupts.values()], ...usage }
  }
  const output = finished.output ?? (told.last === null ? undefined : told.messages.get(told.last))
  return {
    status: finished.status,
    ...(output !== undefined && { output }),
    ...(finished.status === 'failed' && { error: toError(finished.error) }),
    ...usage,
  }
}
