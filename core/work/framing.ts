import type { RuntimeEvent } from '../ports.ts'
import { scrubValue } from '../secrets/scrub-value.ts'
import type { Scrubber, ScrubStream } from '../secrets/scrubber.ts'
import type { RunEvent } from '../shapes.ts'
import type { NewEvent } from './log.ts'

type Framed = Exclude<RuntimeEvent['type'], 'interrupt' | 'interrupt_resolved' | 'usage' | 'artifact'>
export type FramedEvent = Extract<RuntimeEvent, { type: Framed }>

type Message = {
  reasoning: boolean
  /** The id in the log: the runtime's own, with `~2` and so on when it went on after it had been closed. */
  shownId: string
  part: number
  open: boolean
  /** All that watchers have of it, scrubbed. */
  shown: string
  /** What the runtime said, unscrubbed; null when this process did not hear it from its beginning. */
  raw: string | null
  stream: ScrubStream | null
  /** The first half of a character whose second half comes with the next delta. */
  half: string
  /** What the log has and the runtime tells again after a re-attach. */
  skip: string
  /** What was told again so far, in case it turns out to differ. */
  retold: string
}

/** Output of tools kept in an event; more belongs in a file. */
const MAX_RESULT_CHARS = 256 * 1024

/**
 * Turns facts of a runtime into well-formed AG-UI: messages have a start and an end, nothing comes twice, every text is
 * scrubbed. Begun from the log of a run, it goes on where the log ends: what a runtime tells again after a re-attach is
 * recognised. `coveredSeq` is the last event that the runtime will not tell again.
 */
export function framing(scrubber: Scrubber, log: RunEvent[], coveredSeq: number) {
  const messages = new Map<string, Message>()
  const tools = new Map<string, { resulted: boolean }>()
  let redactions = 0
  let last: Message | null = null
  remember()

  /** The events that say this fact; none when it is known already. */
  function frame(fact: FramedEvent): NewEvent[] {
    switch (fact.type) {
      case 'text':
      case 'reasoning':
        return say(fact.messageId, fact.type === 'reasoning', fact.delta)
      case 'text_snapshot':
        return saySnapshot(fact.messageId, fact.text)
      case 'tool_call': {
        if (tools.has(fact.toolCallId)) return []
        tools.set(fact.toolCallId, { resulted: false })
        const { toolCallId } = fact
        const args = fact.arguments === undefined ? '' : JSON.stringify(clean(fact.arguments))
        return [
          ...closeAll(),
          event('TOOL_CALL_START', {
            toolCallId,
            toolCallName: wellFormed(fact.name),
            ...(fact.kind ? { metadata: { kind: fact.kind } } : {}),
          }),
          ...(args === '' ? [] : [event('TOOL_CALL_ARGS', { toolCallId, delta: args })]),
          event('TOOL_CALL_END', { toolCallId }),
        ]
      }
      case 'tool_result': {
        const { toolCallId } = fact
        const unseen = !tools.has(toolCallId)
        if (tools.get(toolCallId)?.resulted) return []
        tools.set(toolCallId, { resulted: true })
        return [
          ...closeAll(),
          ...(unseen
            ? [event('TOOL_CALL_START', { toolCallId, toolCallName: 'tool' }), event('TOOL_CALL_END', { toolCallId })]
            : []),
          event('TOOL_CALL_RESULT', {
            messageId: `${toolCallId}:result`,
            toolCallId,
            role: 'tool',
            content: cleanText(cut(fact.content)),
            ...(fact.isError ? { metadata: { is_error: true } } : {}),
          }),
        ]
      }
      case 'progress':
        return [event('CUSTOM', { name: 'progress', value: { message: cleanText(cut(fact.message)) } })]
      case 'raw':
        return [event('RAW', { source: fact.source, event: clean(fact.event) })]
    }
  }

  function say(id: string, reasoning: boolean, delta: string): NewEvent[] {
    const { message, before } = reach(id, reasoning)
    if (message.raw !== null) message.raw += delta
    return [...before, ...emit(message, feed(message, delta))]
  }

  function feed(message: Message, delta: string): string {
    message.stream ??= scrubber.stream()
    const whole = message.half + delta
    message.half = /[\ud800-\udbff]$/.test(whole) ? whole.slice(-1) : ''
    return message.stream.push(wellFormed(message.half === '' ? whole : whole.slice(0, -1)))
  }

  function saySnapshot(id: string, text: string): NewEvent[] {
    const known = messages.get(id)
    if (!known) return say(id, false, text)
    if (known.raw !== null) {
      if (text === known.raw || known.raw.startsWith(text)) return []
      if (text.startsWith(known.raw)) return say(id, false, text.slice(known.raw.length))
      return replace(known, text)
    }
    const flushed = flush(known)
    known.skip = ''
    return [...flushed, ...compare(known, text)]
  }

  /** For a message whose beginning this process did not hear: what is shown decides. */
  function compare(message: Message, text: string): NewEvent[] {
    const { text: scrubbed } = scrubber.scrub(wellFormed(text))
    if (message.shown.startsWith(scrubbed)) return []
    if (!scrubbed.startsWith(message.shown)) return replace(message, text)
    const rest = scrubbed.slice(message.shown.length)
    const before = message.open ? [] : reopen(message)
    return [...before, ...show(message, rest)]
  }

  /** The runtime changed its words: what was said stays in the log, the new text is a message of its own. */
  function replace(message: Message, text: string): NewEvent[] {
    const closed = close(message)
    message.shown = ''
    message.raw = ''
    const opened = reopen(message)
    message.raw = text
    return [...closed, ...opened, ...emit(message, feed(message, text))]
  }

  function reach(id: string, reasoning: boolean): { message: Message; before: NewEvent[] } {
    const known = messages.get(id)
    if (known?.open) return { message: known, before: [] }
    if (known) return { message: known, before: [...closeAll(), ...reopen(known)] }
    const before = closeAll()
    const message: Message = {
      reasoning,
      shownId: id,
      part: 1,
      open: true,
      shown: '',
      raw: '',
      stream: null,
      half: '',
      skip: '',
      retold: '',
    }
    messages.set(id, message)
    last = message.reasoning ? last : message
    return { message, before: [...before, ...starts(message)] }
  }

  function reopen(message: Message): NewEvent[] {
    message.part += 1
    message.shownId = `${message.shownId.replace(/~\d+$/, '')}~${message.part}`
    message.open = true
    message.stream = null
    return starts(message)
  }

  function emit(message: Message, text: string): NewEvent[] {
    if (text === '') return []
    if (message.skip === '') return show(message, text)
    message.retold += text
    if (message.skip.startsWith(message.retold)) {
      if (message.retold === message.skip) message.skip = ''
      return []
    }
    const { skip, retold } = message
    message.skip = ''
    if (retold.startsWith(skip)) return show(message, retold.slice(skip.length))
    const stream = message.stream
    const closed = closeShown(message)
    message.shown = ''
    const opened = reopen(message)
    message.stream = stream
    return [...closed, ...opened, ...show(message, retold)]
  }

  function show(message: Message, text: string): NewEvent[] {
    if (text === '') return []
    message.shown += text
    const messageId = message.shownId
    return [event(message.reasoning ? 'REASONING_MESSAGE_CONTENT' : 'TEXT_MESSAGE_CONTENT', { messageId, delta: text })]
  }

  function flush(message: Message): NewEvent[] {
    if (!message.stream) return []
    const last = message.half === '' ? '' : message.stream.push(wellFormed(message.half))
    message.half = ''
    const held = last + message.stream.end()
    redactions += message.stream.count
    message.stream = null
    return emit(message, held)
  }

  function close(message: Message): NewEvent[] {
    return message.open ? [...flush(message), ...closeShown(message)] : []
  }

  function closeShown(message: Message): NewEvent[] {
    message.open = false
    const messageId = message.shownId
    return message.reasoning
      ? [event('REASONING_MESSAGE_END', { messageId }), event('REASONING_END', { messageId })]
      : [event('TEXT_MESSAGE_END', { messageId })]
  }

  function closeAll(): NewEvent[] {
    return [...messages.values()].flatMap(close)
  }

  function cleanText(text: string): string {
    const { text: scrubbed, count } = scrubber.scrub(wellFormed(text))
    redactions += count
    return scrubbed
  }

  function clean(value: unknown): unknown {
    const { value: scrubbed, count } = scrubValue(scrubber, value)
    redactions += count
    return wellFormedValue(scrubbed)
  }

  /** Takes up what the log says, as if it had been framed here. */
  function remember(): void {
    for (const { seq, type, ...data } of log) {
      const shownId = typeof data.messageId === 'string' ? data.messageId : ''
      const id = shownId.replace(/~\d+$/, '')
      if (type === 'TEXT_MESSAGE_START' || type === 'REASONING_MESSAGE_START') {
        const part = Number(/~(\d+)$/.exec(shownId)?.[1] ?? 1)
        const earlier = messages.get(id)
        const reasoning = type === 'REASONING_MESSAGE_START'
        const message: Message = {
          reasoning,
          shownId,
          part,
          open: true,
          shown: earlier?.shown ?? '',
          // Begun after what is covered: the runtime tells all of it again.
          raw: seq > coveredSeq && !earlier ? '' : null,
          stream: null,
          half: '',
          skip: earlier?.skip ?? '',
          retold: '',
        }
        messages.set(id, message)
        if (!reasoning) last = message
      } else if (type === 'TEXT_MESSAGE_CONTENT' || type === 'REASONING_MESSAGE_CONTENT') {
        const message = messages.get(id)!
        message.shown += String(data.delta)
        if (seq > coveredSeq) message.skip += String(data.delta)
      } else if (type === 'TEXT_MESSAGE_END' || type === 'REASONING_MESSAGE_END') {
        const message = messages.get(id)
        if (message) message.open = false
      } else if (type === 'TOOL_CALL_START') tools.set(String(data.toolCallId), { resulted: false })
      else if (type === 'TOOL_CALL_RESULT') tools.set(String(data.toolCallId), { resulted: true })
    }
    for (const message of messages.values()) {
      // A closed one is told again as a snapshot at most, which is compared with what is shown.
      if (!message.open) {
        message.raw = null
        message.skip = ''
      }
    }
  }

  return {
    frame,
    closeAll,
    clean,
    cleanText,
    /** The last message of the run, scrubbed: its answer. */
    answer: (): string | null => last?.shown ?? null,
    /** True while text is held back that might be the beginning of a secret: the log is behind the runtime then. */
    holding: (): boolean => [...messages.values()].some(({ stream }) => stream?.holding ?? false),
    redactions: (): number =>
      redactions + [...messages.values()].reduce((sum, { stream }) => sum + (stream?.count ?? 0), 0),
  }
}

function event(type: string, fields: Record<string, unknown>): NewEvent {
  return { type, at: new Date(), ...fields }
}

function starts({ reasoning, shownId: messageId }: Message): NewEvent[] {
  return reasoning
    ? [event('REASONING_START', { messageId }), event('REASONING_MESSAGE_START', { messageId, role: 'reasoning' })]
    : [event('TEXT_MESSAGE_START', { messageId, role: 'assistant' })]
}

function cut(text: string): string {
  if (text.length <= MAX_RESULT_CHARS) return text
  return `${text.slice(0, MAX_RESULT_CHARS)}\n[cut: ${text.length - MAX_RESULT_CHARS} more characters]`
}

/** Postgres takes neither NUL nor half a surrogate pair in text or jsonb. */
export function wellFormed(text: string): string {
  return text.replaceAll('\u0000', '').toWellFormed()
}

export function wellFormedValue(value: unknown): unknown {
  if (typeof value === 'string') return wellFormed(value)
  if (Array.isArray(value)) return value.map(wellFormedValue)
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [wellFormed(key), wellFormedValue(item)]))
  }
  return value
}
