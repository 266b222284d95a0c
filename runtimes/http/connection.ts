/** Requests to an agent: guarded address, signature, limits. One connection a request, so that closing it touches one run only. */
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { Webhook } from 'standardwebhooks'
import { HubError, newId, RuntimeRejection } from '../../core/index.ts'
import { AddressRefused, checkUrl, guardedLookup } from './address-guard.ts'
import type { HttpSettings } from './settings.ts'

export type Connection = { settings: HttpSettings; resolveSecret: (reference: string) => Promise<string> }

export type Call = {
  method: 'GET' | 'POST'
  /** Below the configured URL: `/runs/run_1`. */
  path: string
  query?: Record<string, string>
  /** `webhook-id`: the same for a repeat of the same message. */
  messageId?: string
  headers?: Record<string, string>
  body?: unknown
  signal: AbortSignal
}

/** An open request. `close` ends it and whatever came of it; `keep` takes it out of the reach of the signal and the timeout. */
export type Exchange = {
  /** Settles when the whole request is with the operating system of the agent's side of the connection, or has failed. */
  sent: Promise<void>
  response: Promise<IncomingMessage>
  close: () => void
  keep: () => void
}

/** The request failed. `reached` false: no connection came about, so that the agent has surely not seen it. */
export class RequestFailed extends Error {
  override readonly name = 'RequestFailed'
  readonly reached: boolean
  constructor(message: string, reached: boolean, cause?: unknown) {
    super(message, { cause })
    this.reached = reached
  }
}

const MAX_JSON_BYTES = 8 * 1024 * 1024
const MAX_HEAD_BYTES = 16 * 1024
const KEEP_ALIVE_MS = 30_000

/**
 * Opens a request. Redirects are not followed: a 3xx is an answer like any other. `signal` ends it until `response` has settled;
 * after that whoever holds the body ends it. Throws RuntimeRejection when it cannot be sent at all (address, secret, header).
 */
export async function open(connection: Connection, call: Call): Promise<Exchange> {
  const { settings } = connection
  const url = urlOf(settings.url, call)
  const body = call.body === undefined ? '' : JSON.stringify(call.body)
  try {
    checkUrl(url, settings.allow_private_addresses)
    const headers = await headersOf(connection, call, body)
    call.signal.throwIfAborted()
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      method: call.method,
      headers,
      agent: false,
      lookup: guardedLookup(settings.allow_private_addresses),
      maxHeaderSize: MAX_HEAD_BYTES,
    })
    return exchange(
      request,
      body,
      `${call.method} ${url.origin}${url.pathname}`,
      call.signal,
      settings.timeout_seconds * 1_000,
    )
  } catch (error) {
    if (call.signal.aborted || error instanceof RuntimeRejection) throw error
    if (error instanceof AddressRefused) throw refusedAddress(error)
    if (error instanceof HubError) throw new RuntimeRejection('runtime_rejected', error.message, { cause: error })
    throw new RuntimeRejection('runtime_rejected', `The request could not be made: ${describe(error)}.`, {
      cause: error,
    })
  }
}

function exchange(
  request: ReturnType<typeof requestHttp>,
  body: string,
  what: string,
  signal: AbortSignal,
  timeoutMs: number,
): Exchange {
  let reached = false
  const close = (reason?: Error) => void request.destroy(reason)
  const onAbort = () => close(new Error('ended by the caller'))
  const timer = setTimeout(() => close(new Error(`no answer within ${timeoutMs / 1_000} s`)), timeoutMs)
  signal.addEventListener('abort', onAbort, { once: true })

  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('socket', (socket) => {
      socket.setKeepAlive(true, KEEP_ALIVE_MS)
      socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
        reached = true
      })
    })
    request.once('response', (message) => {
      // A body that is cut while nobody reads it must not end the process; who reads it gets the error from its loop.
      message.on('error', () => {})
      resolve(message)
    })
    request.on('error', (error) => reject(failure(error, what, reached)))
    request.once('close', () => reject(new RequestFailed(`${what} was closed.`, reached)))
  })
  const sent = new Promise<void>((resolve) => {
    request.once('finish', resolve)
    response.then(
      () => resolve(),
      () => resolve(),
    )
  })
  const keep = () => {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
  response.then(keep, keep)
  request.end(body)
  return { sent, response, close: () => close(), keep }
}

/** An answer in whole, as text and, where it is JSON, as value. */
export type Answer = { status: number; text: string; json: unknown; retryAfter: string | undefined }

/** Sends a request and reads its answer, all within the timeout of the settings. */
export async function ask(connection: Connection, call: Call): Promise<Answer> {
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(connection.settings.timeout_seconds * 1_000)])
  const { response } = await open(connection, { ...call, signal })
  return readAnswer(await response, signal)
}

/** Reads a body of at most 8 MiB. Throws RequestFailed when it is longer or breaks off. */
export async function readAnswer(response: IncomingMessage, signal?: AbortSignal): Promise<Answer> {
  const onAbort = () => void response.destroy(new Error('ended by the caller'))
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of response) {
      // Without an encoding set, a response yields buffers.
      const buffer = chunk as Buffer
      bytes += buffer.length
      if (bytes > MAX_JSON_BYTES) throw new Error(`the answer is longer than ${MAX_JSON_BYTES} bytes`)
      chunks.push(buffer)
    }
    const text = Buffer.concat(chunks).toString('utf8')
    return { status: response.statusCode ?? 0, text, json: toJson(text), retryAfter: response.headers['retry-after'] }
  } catch (error) {
    throw new RequestFailed(`The answer of the agent broke off: ${describe(error)}.`, true, error)
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

/** What an answer says went wrong: `{"error": {"message"}}`, else the start of its text. */
export function reasonOf({ status, text, json }: Answer): string {
  const stated = json !== null && typeof json === 'object' && 'error' in json ? json.error : null
  const message =
    typeof stated === 'string'
      ? stated
      : stated && typeof stated === 'object' && 'message' in stated && typeof stated.message === 'string'
        ? stated.message
        : text
  const said = message.replace(/\s+/g, ' ').trim().slice(0, 500)
  return said === '' ? `status ${status}` : `status ${status}: ${said}`
}

/** The key of the settings; null when requests are not signed. Throws RuntimeRejection when it is none. */
export async function signingKey({ settings, resolveSecret }: Connection): Promise<Webhook | null> {
  if (settings.secret === undefined) return null
  const value = (await resolveSecret(settings.secret)).trim()
  try {
    return new Webhook(value)
  } catch {
    // The library's message may repeat a part of the value.
    throw new RuntimeRejection(
      'runtime_rejected',
      `The secret at ${settings.secret} is not base64 with an optional whsec_ before it.`,
    )
  }
}

async function headersOf(connection: Connection, call: Call, body: string): Promise<Record<string, string>> {
  const headers: Record<string, string> = { accept: 'application/json', 'user-agent': 'signalbox' }
  for (const [name, value] of Object.entries(connection.settings.headers)) {
    headers[name.toLowerCase()] =
      typeof value === 'string' ? value : (await connection.resolveSecret(value.secret)).trim()
  }
  Object.assign(headers, call.headers)
  if (call.body !== undefined) {
    headers['content-type'] = 'application/json'
    headers['content-length'] = String(Buffer.byteLength(body))
  }
  const key = await signingKey(connection)
  if (key) {
    const messageId = call.messageId ?? newId('msg')
    const now = new Date()
    headers['webhook-id'] = messageId
    headers['webhook-timestamp'] = String(Math.floor(now.getTime() / 1_000))
    headers['webhook-signature'] = key.sign(messageId, now, body)
  }
  return headers
}

function urlOf(base: string, { path, query }: Call): URL {
  const url = new URL(base)
  url.hash = ''
  if (path !== '') url.pathname = url.pathname.replace(/\/+$/, '') + path
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value)
  return url
}

function failure(error: Error, what: string, reached: boolean): Error {
  if (error instanceof AddressRefused) return refusedAddress(error)
  return new RequestFailed(`${what} failed: ${describe(error)}.`, reached, error)
}

function refusedAddress(error: AddressRefused): RuntimeRejection {
  return new RuntimeRejection('runtime_rejected', `The hub does not call this address: ${error.message}`, {
    cause: error,
  })
}

/** The error's code and message; a message about a header may hold its value and is left out. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown fault'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : null
  if (code === 'ERR_INVALID_CHAR') return 'a header value holds a character that HTTP does not allow'
  // Several addresses were tried: the message of the whole is empty.
  if (error instanceof AggregateError) return error.errors.map(describe).join(', ')
  return error.message || code || error.name
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
