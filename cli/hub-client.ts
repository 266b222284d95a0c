import { randomUUID } from 'node:crypto'
import { constants, openAsBlob } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { FileInfo, Page, RunEvent } from '../core/index.ts'
import { isErrno, messageOf } from './data-folder.ts'
import { CliError, exitCode, exitCodeOfStatus } from './exit-code.ts'
import type { HubAddress } from './hub-address.ts'
import { mediaTypeOf } from './media-type.ts'

export type Query = Record<string, string | number | boolean | undefined>

/** The REST API of a running hub. Every refusal is thrown as a CliError with the hub's own code, message and hint. */
export type HubClient = {
  readonly url: string
  get<T>(path: string, query?: Query): Promise<T>
  /** `once`: sent with an Idempotency-Key (`key`, else a new one) and, when the connection breaks, once more with the same: the hub acts once. */
  post<T>(path: string, body?: unknown, options?: { once?: boolean; key?: string }): Promise<T>
  /** Rows over as many pages as `limit` needs. */
  list<T>(path: string, options: { query?: Query; limit: number }): Promise<Page<T>>
  upload(file: string): Promise<FileInfo>
  /** The events of a run after `after`; returns when the stream ends, which may be before the run does. */
  events(runId: string, options: { after: number; signal?: AbortSignal }): AsyncIterable<RunEvent>
}

const PAGE_MAX = 200
/** By this the hub's audit knows a person at the command line. */
const USER_AGENT = 'signalbox-cli/1'

/** `find` is asked before each request, so that a client outlives a restart of its hub, which changes its token. */
export function hubClient(find: () => HubAddress): HubClient {
  const send = async (
    method: string,
    path: string,
    init: { query?: Query; body?: string | Blob; headers?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<Response> => {
    const { url, token } = find()
    const address = new URL(`${url}${path}`)
    for (const [name, value] of Object.entries(init.query ?? {}))
      if (value !== undefined) address.searchParams.set(name, String(value))
    let response: Response
    try {
      response = await fetch(address, {
        method,
        headers: {
          accept: 'application/json',
          'user-agent': USER_AGENT,
          ...init.headers,
          authorization: `Bearer ${token}`,
        },
        ...(init.body === undefined ? {} : { body: init.body }),
        ...(init.signal ? { signal: init.signal } : {}),
        redirect: 'error',
      })
    } catch (error) {
      if (init.signal?.aborted) throw error
      throw unreachable(url, error)
    }
    if (!response.ok) throw await refusal(response, url)
    return response
  }
  const post = async <T>(path: string, body: unknown, options: { once?: boolean; key?: string } = {}): Promise<T> => {
    const headers = {
      'content-type': 'application/json',
      ...(options.once ? { 'idempotency-key': options.key ?? randomUUID() } : {}),
    }
    const init = { body: JSON.stringify(body ?? {}), headers }
    const response = await send('POST', path, init).catch((error: unknown) => {
      if (options.once && error instanceof CliError && error.code === 'hub_unreachable') return send('POST', path, init)
      throw error
    })
    return answer<T>(response)
  }
  return {
    get url() {
      return find().url
    },
    get: async <T>(path: string, query?: Query) => answer<T>(await send('GET', path, query ? { query } : {})),
    post,
    list: async <T>(path: string, { query, limit }: { query?: Query; limit: number }) => {
      const data: T[] = []
      let cursor: string | null = null
      do {
        const page: Page<T> = await answer(
          await send('GET', path, {
            query: { ...query, limit: Math.min(PAGE_MAX, limit - data.length), cursor: cursor ?? undefined },
          }),
        )
        data.push(...page.data)
        cursor = page.next_cursor
      } while (cursor !== null && data.length < limit)
      return { data, next_cursor: cursor }
    },
    upload: async (file) => {
      const content = await openFile(file)
      // As the body itself, which is streamed from disk to the hub.
      return answer<FileInfo>(
        await send('POST', '/api/v1/files', {
          query: { name: basename(file) },
          body: content,
          headers: { 'content-type': mediaTypeOf(file) },
        }),
      )
    },
    events: async function* (runId, { after, signal }) {
      const response = await send('GET', `/api/v1/runs/${encodeURIComponent(runId)}/events/stream`, {
        headers: { accept: 'text/event-stream', ...(after > 0 ? { 'last-event-id': String(after) } : {}) },
        ...(signal ? { signal } : {}),
      })
      if (!response.body) return
      const ready: EventSourceMessage[] = []
      const parser = createParser({ onEvent: (message) => void ready.push(message) })
      const decoder = new TextDecoder()
      for await (const chunk of response.body) {
        parser.feed(decoder.decode(chunk, { stream: true }))
        for (const message of ready.splice(0)) {
          const event: unknown = JSON.parse(message.data)
          // The stream carries the run's log and nothing else; frames without seq (a keep-alive) are not part of it.
          if (event && typeof event === 'object' && 'seq' in event) yield event as RunEvent
        }
      }
    },
  }
}

/** The shapes are the hub's wire contract, which this client is released with; only that it is JSON is checked here. */
async function answer<T>(response: Response): Promise<T> {
  const text = await response.text()
  try {
    return (text === '' ? undefined : JSON.parse(text)) as T
  } catch (error) {
    throw notAHub(response.url, error)
  }
}

async function refusal(response: Response, url: string): Promise<CliError> {
  const text = await response.text()
  let error: Record<string, unknown> | undefined
  try {
    error = JSON.parse(text).error
  } catch {
    // Not the hub's error shape: told as such below.
  }
  if (typeof error?.code !== 'string' || typeof error.message !== 'string')
    return notAHub(url, `HTTP ${response.status}`)
  return new CliError(error.code, error.message, {
    hint: typeof error.hint === 'string' ? error.hint : '',
    exitCode: exitCodeOfStatus(response.status, error.code),
    ...(typeof error.request_id === 'string' ? { requestId: error.request_id } : {}),
    ...(error.details === undefined ? {} : { details: error.details }),
  })
}

function unreachable(url: string, error: unknown): CliError {
  const cause = error instanceof Error && error.cause ? error.cause : error
  return new CliError('hub_unreachable', `The hub at ${url} does not answer: ${messageOf(cause)}.`, {
    hint: 'Start it with `signalbox up`; `signalbox doctor` looks for what is wrong.',
    exitCode: exitCode.unreachable,
    cause: error,
  })
}

function notAHub(url: string, cause: unknown): CliError {
  return new CliError('not_a_hub', `What answers at ${url} is not a Signalbox hub (${messageOf(cause)}).`, {
    hint: 'Check SIGNALBOX_URL and any proxy on the way.',
    exitCode: exitCode.unreachable,
  })
}

async function openFile(file: string): Promise<Blob> {
  try {
    if ((await stat(file)).isDirectory()) throw new Error('it is a folder')
    await access(file, constants.R_OK)
    return await openAsBlob(file)
  } catch (error) {
    const why = isErrno(error, 'ENOENT') ? 'there is no such file' : messageOf(error)
    throw new CliError('file_unreadable', `${file} cannot be attached: ${why}.`, {
      hint: 'Check the path; it is read from where you run the command.',
      exitCode: exitCode.invalid,
    })
  }
}
