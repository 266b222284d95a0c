import type { IncomingMessage } from 'node:http'
import * as z from 'zod'
import type { Provider } from './providers.ts'
import type { CallFormat } from './usage.ts'

/** What is read of a call before it goes on; the rest belongs to the provider. */
export type CallBody = {
  model: string
  /** What goes upstream: the caller's own bytes unless something had to change. */
  bytes: Buffer | string
  data: unknown
}

/** The whole body, or null when it is larger than `maxBytes`. Rejects when the caller goes away before its end. */
export async function readBody(incoming: IncomingMessage, maxBytes: number): Promise<Buffer | null> {
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) return null
  const chunks: Buffer[] = []
  let bytes = 0
  // Left early, the iterator would destroy the connection that the refusal has to go out on.
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
    // A request without an encoding set gives buffers.
    chunks.push(chunk as Buffer)
    bytes += (chunk as Buffer).length
    if (bytes > maxBytes) return null
  }
  return Buffer.concat(chunks)
}

/**
 * Parses a call: every string in it goes through `scrub`, a Chat Completions stream asks for usage unless the caller decided that
 * itself, and one for OpenAI's own API is put as its newest models take it. Null when it is no JSON object with a `model`.
 */
export function toCallBody(
  bytes: Buffer,
  {
    format,
    provider,
    scrub,
  }: { format: CallFormat | null; provider: Pick<Provider, 'api'>; scrub: (text: string) => string },
): CallBody | null {
  let changed = false
  let parsed: unknown
  try {
    parsed = JSON.parse(bytes.toString('utf8'), (_key, value: unknown) => {
      if (typeof value !== 'string') return value
      const clean = scrub(value)
      if (clean !== value) changed = true
      return clean
    })
  } catch {
    return null
  }
  const call = Call.safeParse(parsed)
  if (!call.success) return null
  const { model } = call.data
  const additions =
    format === 'chat' ? { ...usageAsked(call.data), ...(provider.api === 'responses' ? forOpenai(call.data) : {}) } : {}
  // Serialized anew only when needed: numbers and key order stay the caller's own.
  if (!changed && Object.keys(additions).length === 0) return { model, bytes, data: parsed }
  const data = { ...call.data, ...additions }
  return { model, bytes: JSON.stringify(data), data }
}

const Call = z.looseObject({ model: z.string() })
type Call = z.infer<typeof Call>

function usageAsked({ stream, stream_options: options }: Call): object {
  if (stream !== true) return {}
  const known = typeof options === 'object' && options !== null ? options : {}
  return 'include_usage' in known ? {} : { stream_options: { ...known, include_usage: true } }
}

/**
 * OpenAI refuses `max_tokens` for reasoning models, and from GPT-5.1 on tools together with reasoning on Chat Completions, which
 * is their default. Clients made for compatible servers send just that. OpenAI: Chat Completions, `max_completion_tokens`.
 */
function forOpenai({
  model,
  max_tokens: maxTokens,
  max_completion_tokens: newer,
  tools,
  reasoning_effort: effort,
}: Call): object {
  const hasTools = Array.isArray(tools) && tools.length > 0
  return {
    // Undefined is left out of JSON.
    ...(maxTokens === undefined || newer !== undefined
      ? {}
      : { max_tokens: undefined, max_completion_tokens: maxTokens }),
    ...(hasTools && effort === undefined && /^gpt-5\.[1-9]/.test(model) ? { reasoning_effort: 'none' } : {}),
  }
}
