import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { Pool } from 'undici'
import type { Endpoint } from './endpoints.ts'
import type { Provider } from './providers.ts'

/** A provider with its connections and its key. */
export type Upstream = { provider: Provider; key: string | null; pool: Pool; basePath: string }

/** Models think for minutes before the first byte, and between bytes; a run's own deadline is what ends it. */
const HEADERS_TIMEOUT_MS = 15 * 60_000
const BODY_TIMEOUT_MS = 10 * 60_000
const CONNECT_TIMEOUT_MS = 10_000

export function openUpstream(provider: Provider, key: string | null): Upstream {
  const { origin, pathname } = new URL(provider.baseUrl)
  const pool = new Pool(origin, {
    headersTimeout: HEADERS_TIMEOUT_MS,
    bodyTimeout: BODY_TIMEOUT_MS,
    connect: { timeout: CONNECT_TIMEOUT_MS },
  })
  return { provider, key, pool, basePath: pathname.replace(/\/$/, '') }
}

type UpstreamRequest = {
  method: 'GET' | 'POST'
  path: string
  headers: Record<string, string>
  body: Buffer | string | null
}

/** What goes on of the caller's headers and query; everything else stays here, credentials above all. */
const PASSED_HEADERS = [
  'accept',
  'content-type',
  'user-agent',
  'anthropic-version',
  'anthropic-beta',
  'openai-beta',
  'idempotency-key',
  'x-client-request-id',
]
const PASSED_QUERY = ['beta', 'limit', 'after_id', 'before_id']
/** For callers that send none. Anthropic: versioning. */
const ANTHROPIC_VERSION = '2023-06-01'

export function upstreamRequest(
  { provider, key, basePath }: Upstream,
  endpoint: Endpoint,
  request: Request,
  body: Buffer | string | null,
  token: string,
): UpstreamRequest {
  // Plain bytes, since usage is read from them.
  const headers: Record<string, string> = { 'accept-encoding': 'identity' }
  for (const name of PASSED_HEADERS) {
    const value = request.headers.get(name)
    if (value && !value.includes(token)) headers[name] = value
  }
  if (provider.dialect === 'anthropic') {
    headers['anthropic-version'] ??= ANTHROPIC_VERSION
    if (key) headers['x-api-key'] = key
  } else if (key) headers.authorization = `Bearer ${key}`

  const asked = new URL(request.url).searchParams
  const query = new URLSearchParams()
  for (const name of PASSED_QUERY) {
    const value = asked.get(name)
    if (value !== null && !value.includes(token)) query.set(name, value)
  }
  const search = query.size > 0 ? `?${query.toString()}` : ''
  return { method: endpoint.method, path: `${basePath}${endpoint.path}${search}`, headers, body }
}

type UpstreamCall = UpstreamRequest & {
  /** The caller's response; written to only once the provider has answered with 2xx. */
  outgoing: ServerResponse
  /** A 2xx reply begins. */
  onStart(contentType: string): void
  /** Gets the bytes of a 2xx reply, each after it went out. */
  tee(chunk: Uint8Array): void
}

export type UpstreamEnd =
  /** The 2xx reply went to the caller, all of it. */
  | { ending: 'passed' }
  /** The provider refused. Nothing went to the caller yet. `encoded`: the body is compressed, though that was not asked for. */
  | { ending: 'refused'; status: number; headers: Record<string, string>; body: Buffer; encoded: boolean }
  /** No reply came. Nothing went to the caller yet. */
  | { ending: 'unreachable'; error: Error }
  /** The caller went away; the provider was told by closing its connection. */
  | { ending: 'aborted' }
  /** The reply broke off in the middle; the caller's connection was closed, so that it shows there too. */
  | { ending: 'broken'; error: Error }

/** A refusal's body is held back, so that it can be searched for secrets; what comes after this is cut off. */
const MAX_REFUSAL_BYTES = 1024 * 1024

/**
 * Sends one call and passes a 2xx reply through byte for byte, as fast as the caller takes it. Nothing is ever sent twice.
 * Never rejects: after an abort the caller's response must be left alone, and a rejection would make the server write to it again.
 */
export function passThrough(pool: Pool, call: UpstreamCall): Promise<UpstreamEnd> {
  const { outgoing, method, path, headers, body } = call
  return new Promise((resolve) => {
    let abort: (() => void) | null = null
    let gone = outgoing.destroyed
    let refusal: { status: number; headers: IncomingHttpHeaders; chunks: Buffer[]; bytes: number } | null = null
    outgoing.once('close', () => {
      if (outgoing.writableFinished) return
      gone = true
      abort?.()
    })
    try {
      pool.dispatch(
        { method, path, headers, body },
        {
          onRequestStart(controller) {
            abort = () => controller.abort(new Error('The caller went away.'))
            if (gone) abort()
          },
          onResponseStart(controller, status, replyHeaders) {
            // Early hints and the like: the reply is still to come.
            if (status < 200) return
            if (status >= 300) {
              refusal = { status, headers: replyHeaders, chunks: [], bytes: 0 }
              return
            }
            call.onStart(String(replyHeaders['content-type'] ?? ''))
            outgoing.writeHead(status, forCaller(replyHeaders))
            outgoing.flushHeaders()
            outgoing.on('drain', () => controller.resume())
          },
          onResponseData(controller, chunk) {
            if (refusal) {
              refusal.bytes += chunk.length
              if (refusal.bytes <= MAX_REFUSAL_BYTES) refusal.chunks.push(chunk)
              return
            }
            if (!outgoing.write(chunk)) controller.pause()
            call.tee(chunk)
          },
          onResponseEnd() {
            if (refusal) return resolve(toRefused(refusal))
            if (gone) return resolve({ ending: 'aborted' })
            outgoing.once('close', () => resolve({ ending: outgoing.writableFinished ? 'passed' : 'aborted' }))
            outgoing.end(() => resolve({ ending: 'passed' }))
          },
          onResponseError(_controller, error) {
            if (gone) return resolve({ ending: 'aborted' })
            if (!outgoing.headersSent) return resolve({ ending: 'unreachable', error })
            resolve({ ending: 'broken', error })
            outgoing.destroy()
          },
        },
      )
    } catch (error) {
      resolve({ ending: 'unreachable', error: error instanceof Error ? error : new Error(String(error)) })
    }
  })
}

function toRefused(refusal: { status: number; headers: IncomingHttpHeaders; chunks: Buffer[] }): UpstreamEnd {
  const { 'content-length': _, 'content-encoding': encoding = 'identity', ...headers } = forCaller(refusal.headers)
  const encoded = encoding !== 'identity'
  return { ending: 'refused', status: refusal.status, headers, body: Buffer.concat(refusal.chunks), encoded }
}

/** From one hop to the next only (RFC 9110, 7.6.1), and what is for browsers. */
const NOT_FOR_CALLERS = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'set-cookie',
  'alt-svc',
  'strict-transport-security',
])

function forCaller(headers: IncomingHttpHeaders): Record<string, string> {
  // `Connection: x-trace` says that x-trace is for this hop too.
  const named = String(headers.connection ?? '')
    .toLowerCase()
    .split(/\s*,\s*/)
  const passed: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !NOT_FOR_CALLERS.has(name) && !named.includes(name)) passed[name] = String(value)
  }
  return passed
}
