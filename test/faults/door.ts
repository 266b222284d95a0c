import { type IncomingMessage, request } from 'node:http'
import { createParser } from 'eventsource-parser'
import type { HubProcess } from './hub-process.ts'
import type { SeenEvent } from './observed.ts'
import type { Random } from './random.ts'

/** How clients reach whichever hub is up: they know only that connections break and that the same request may be sent again. */
export type Door = {
  /** One request to a hub that serves, sent again until it is answered by something other than "not now". */
  send(method: 'GET' | 'POST', path: string, body?: unknown, key?: string): Promise<{ status: number; body: unknown }>
  /** One connection to the stream of a run after `after`; returns when it ends in order, throws when it breaks. */
  stream(runId: string, after: number, onEvent: (event: SeenEvent) => void, signal: AbortSignal): Promise<void>
  /** Requests that had to be sent again. */
  repeats(): number
}

const AGAIN_MS = 25
/** The hub is going down, or the first request with this key is still at work. */
const NOT_NOW = ['hub_stopping', 'idempotency_in_progress']

export function openDoor(hubs: HubProcess[], token: string, random: Random, signal: AbortSignal): Door {
  let repeats = 0

  async function anyServing(): Promise<HubProcess> {
    for (;;) {
      signal.throwIfAborted()
      const serving = hubs.filter((hub) => hub.isServing())
      if (serving.length > 0) return random.pick(serving)
      await pause(AGAIN_MS)
    }
  }

  return {
    async send(method, path, body, key) {
      for (;;) {
        const hub = await anyServing()
        let status: number
        let text: string
        try {
          const response = await fetch(`${hub.url}/api/v1${path}`, {
            method,
            headers: {
              authorization: `Bearer ${token}`,
              ...(body === undefined ? {} : { 'content-type': 'application/json' }),
              ...(key === undefined ? {} : { 'idempotency-key': key }),
            },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
            // One of its own: undici adds listeners to the one that it is given and keeps them.
            signal: AbortSignal.any([signal]),
          })
          status = response.status
          text = await response.text()
        } catch {
          // Refused, reset, cut off in the middle: the hub was killed, or the whole is over.
          signal.throwIfAborted()
          repeats += 1
          await pause(AGAIN_MS)
          continue
        }
        const answered = toJson(text)
        if (answered === undefined)
          throw new WrongAnswer(`${method} ${path}: ${status}, and no JSON: ${text.slice(0, 200)}`)
        if (!NOT_NOW.includes(codeOf(answered))) return { status, body: answered }
        repeats += 1
        await pause(AGAIN_MS)
      }
    },

    async stream(runId, after, onEvent, ended) {
      const hub = await anyServing()
      // Not fetch: on Node 20 a body that is aborted in the moment in which it ends is read forever, neither ended nor failed.
      const response = await connect(`${hub.url}/api/v1/runs/${runId}/events/stream`, {
        authorization: `Bearer ${token}`,
        accept: 'text/event-stream',
        ...(after > 0 ? { 'last-event-id': String(after) } : {}),
      })
      const leave = () => void response.destroy(new Error('left'))
      const signals = [signal, ended]
      for (const one of signals) one.addEventListener('abort', leave)
      try {
        signal.throwIfAborted()
        if (response.statusCode === 503) throw new Error('not now')
        if (response.statusCode !== 200) throw new WrongAnswer(`stream of ${runId}: ${response.statusCode}`)
        const parser = createParser({
          onEvent: ({ id, data }) => {
            const event = JSON.parse(data) as Partial<SeenEvent>
            // Comments and keep-alives carry no seq.
            if (typeof event.seq !== 'number' || typeof event.type !== 'string') return
            if (id !== String(event.seq))
              throw new WrongAnswer(`stream of ${runId}: seq ${event.seq} came with id ${id}`)
            onEvent(event as SeenEvent)
          },
        })
        for await (const text of response.setEncoding('utf8')) parser.feed(String(text))
      } finally {
        for (const one of signals) one.removeEventListener('abort', leave)
        response.destroy()
      }
    },

    repeats: () => repeats,
  }
}

function connect(url: string, headers: Record<string, string>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, { headers, agent: false }, resolve).once('error', reject).end()
  })
}

/** The hub answered, and not as it promises. */
export class WrongAnswer extends Error {
  override readonly name = 'WrongAnswer'
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

function codeOf(body: unknown): string {
  const error = body && typeof body === 'object' && 'error' in body ? body.error : null
  return error && typeof error === 'object' && 'code' in error ? String(error.code) : ''
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
