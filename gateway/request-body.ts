import type { IncomingMessage } from 'node:http'
import type { CallFormat } from './usage.ts'

/** What is read of a call before it goes on; the rest belongs to the provider. */
export type CallBody = {
  model: string
  stream: boolean /** What goes upstream: the caller's own bytes unless something had to change. */
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
 * Parses a call: every string in it goes through `scrub`, and a Chat Completions stream asks for usage unless the caller
 * decided that itself. Null when it is not a JSON object with a `model`.
 */
export function toCallBody(bytes: Buffer, format: CallFormat | null, scrub: (text: string) => string): CallBody | null {
  let changed = false
  let data: unknown
  try {
    data = JSON.parse(bytes.toString('utf8'), (_key, value: unknown) => {
      if (typeof value !== 'string') return value
      const clean = scrub(value)
      if (clean !== value) changed = true
      return clean
    })
  } catch {
    return null
  }
  if (typeof data !== 'object' || data === null || !('model' in data) || typeof data.model !== 'string') return null
  const stream = 'stream' in data && data.stream === true
  if (format === 'chat' && stream) {
    const options = 'stream_options' in data && typeof data.stream_options === 'object' ? data.stream_options : null
    if (!options || !('include_usage' in options)) {
      data = { ...data, stream_options: { ...options, include_usage: true } }
      changed = true
    }
  }
  // Serialized anew only when needed: numbers and key order stay the caller's own.
  return { model: modelOf(data), stream, bytes: changed ? JSON.stringify(data) : bytes, data }
}

// Checked above to be there and a string.
const modelOf = (data: unknown) => (data as { model: string }).model
