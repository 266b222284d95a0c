import { createParser } from 'eventsource-parser'

/** The API that a call speaks: OpenAI Chat Completions, OpenAI Responses, Anthropic Messages. */
export type CallFormat = 'chat' | 'responses' | 'messages'

/**
 * What one model call used. `input_tokens` is the whole prompt, with what was read from and written to the cache,
 * as in OpenTelemetry's GenAI conventions; Anthropic reports it without.
 */
export type CallUsage = {
  input_tokens: number
  output_tokens: number
  cache_read_tokens: number
  cache_write_tokens: number
}

export type UsageReader = {
  /** Takes the next bytes of the reply, cut anywhere. Looks at them after the current turn of the event loop. */
  push(chunk: Uint8Array): void
  /** What is known so far: also of a reply that was cut off. Null when nothing was told. */
  end(): CallUsage | null
}

/** Larger events and bodies are not looked at: their usage stays unknown. */
const MAX_BYTES = 32 * 1024 * 1024

/** Reads the usage of one reply. The bytes are looked at only, and may be handed on before. */
export function usageReader(format: CallFormat, stream: boolean): UsageReader {
  const seen: Counters = {}
  const look = (text: string) => {
    // Most events are text deltas: they are not worth parsing.
    if (text.includes('"usage"')) Object.assign(seen, countersIn(format, text))
  }
  const sink = stream ? eventSink(look) : bodySink(look)
  let waiting: Uint8Array[] = []
  let scheduled = false
  const drain = () => {
    scheduled = false
    const chunks = waiting
    waiting = []
    for (const chunk of chunks) sink.push(chunk)
  }
  return {
    push(chunk) {
      waiting.push(chunk)
      if (scheduled) return
      scheduled = true
      setImmediate(drain)
    },
    end() {
      drain()
      sink.end()
      return toUsage(seen)
    },
  }
}

type Sink = { push(chunk: Uint8Array): void; end(): void }

function eventSink(look: (text: string) => void): Sink {
  const decoder = new TextDecoder()
  const parser = createParser({ onEvent: ({ data }) => look(data), maxBufferSize: MAX_BYTES })
  let readable = true
  const feed = (text: string) => {
    if (!readable) return
    try {
      parser.feed(text)
    } catch {
      // An event beyond maxBufferSize: the parser can't go on, the reply can.
      readable = false
    }
  }
  return {
    push: (chunk) => feed(decoder.decode(chunk, { stream: true })),
    // Some servers leave the last event without its empty line.
    end: () => feed(`${decoder.decode()}\n\n`),
  }
}

function bodySink(look: (text: string) => void): Sink {
  let chunks: Uint8Array[] = []
  let bytes = 0
  return {
    push(chunk) {
      bytes += chunk.byteLength
      if (bytes > MAX_BYTES) chunks = []
      else chunks.push(chunk)
    },
    end: () => look(Buffer.concat(chunks).toString('utf8')),
  }
}

/** As the reply names them; a later figure replaces an earlier one, since all of them are totals. */
type Counters = { input?: number; output?: number; cacheRead?: number; cacheWrite?: number; cacheIsExtra?: boolean }

function countersIn(format: CallFormat, text: string): Counters {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch {
    // A body cut off by an abort, or no JSON at all: nothing is known from it.
    return {}
  }
  switch (format) {
    case 'chat': {
      const usage = at(data, 'usage')
      return told({
        input: count(at(usage, 'prompt_tokens')),
        output: count(at(usage, 'completion_tokens')),
        cacheRead: count(at(usage, 'prompt_tokens_details', 'cached_tokens')),
        cacheWrite: count(at(usage, 'prompt_tokens_details', 'cache_write_tokens')),
      })
    }
    case 'responses': {
      // The event carries the response; the plain answer is it.
      const usage = at(data, 'response', 'usage') ?? at(data, 'usage')
      return told({
        input: count(at(usage, 'input_tokens')),
        output: count(at(usage, 'output_tokens')),
        cacheRead: count(at(usage, 'input_tokens_details', 'cached_tokens')),
      })
    }
    case 'messages': {
      // message_start carries the message; message_delta and the plain answer carry usage themselves.
      const usage = at(data, 'message', 'usage') ?? at(data, 'usage')
      return told({
        input: count(at(usage, 'input_tokens')),
        output: count(at(usage, 'output_tokens')),
        cacheRead: count(at(usage, 'cache_read_input_tokens')),
        cacheWrite: count(at(usage, 'cache_creation_input_tokens')),
        cacheIsExtra: true,
      })
    }
  }
}

function toUsage({ input, output, cacheRead = 0, cacheWrite = 0, cacheIsExtra = false }: Counters): CallUsage | null {
  if (input === undefined && output === undefined) return null
  return {
    input_tokens: (input ?? 0) + (cacheIsExtra ? cacheRead + cacheWrite : 0),
    output_tokens: output ?? 0,
    cache_read_tokens: cacheRead,
    cache_write_tokens: cacheWrite,
  }
}

/** Without the fields that are not there, so that they replace nothing. */
function told(counters: { [Key in keyof Counters]: Counters[Key] | undefined }): Counters {
  return Object.fromEntries(Object.entries(counters).filter(([, value]) => value !== undefined))
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

function at(value: unknown, ...path: string[]): unknown {
  let current = value
  for (const key of path) {
    if (typeof current !== 'object' || current === null) return undefined
    // Any object from JSON.parse is a record of its keys.
    current = (current as Record<string, unknown>)[key]
  }
  return current
}
