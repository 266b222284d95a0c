import { createParser } from 'eventsource-parser'
import type { Log } from '../../core/index.ts'
import { headersOf, type Server } from './server.ts'

/** One event of OpenCode's bus; what it is about is in `properties`. */
export type NativeEvent = { type: string; properties: Record<string, unknown> }

/** `gap`: the connection was lost in between, and what happened meanwhile was not heard. */
export type Heard = { type: 'event'; event: NativeEvent } | { type: 'gap' }

export type Subscription = {
  /** Waits for the next, at most for so long; null when nothing came, the subscription is closed or the signal aborts. */
  next(signal: AbortSignal, withinMs?: number): Promise<Heard | null>
  close(): void
}

export type EventFeed = ReturnType<typeof createEventFeed>

/** OpenCode sends a heartbeat every 10 s: silence for longer means a dead connection. */
const SILENCE_MS = 30_000
const RETRY_MS = [50, 200, 1_000, 5_000]
/** Events waiting for one slow reader; the oldest give way to a gap. */
const MAX_WAITING = 20_000

/** One event stream for all sessions of a server, held while somebody listens and told apart by session. */
export function createEventFeed(server: Pick<Server, 'ensure'>, log: Log) {
  const listeners = new Map<string, Set<(heard: Heard) => void>>()
  let connection: { abort: AbortController; ready: Promise<void> } | null = null

  /** Listens to a session. When it resolves, nothing that happens from then on is missed. */
  async function subscribe(sessionId: string): Promise<Subscription> {
    const waiting: Heard[] = []
    let wake: (() => void) | null = null
    let closed = false
    const hear = (heard: Heard) => {
      waiting.push(heard)
      if (waiting.length > MAX_WAITING) waiting.splice(0, waiting.length, { type: 'gap' })
      wake?.()
    }
    const same = listeners.get(sessionId) ?? new Set()
    same.add(hear)
    listeners.set(sessionId, same)
    connection ??= connect()
    const close = () => {
      closed = true
      same.delete(hear)
      if (same.size === 0 && listeners.get(sessionId) === same) listeners.delete(sessionId)
      wake?.()
      if (listeners.size > 0) return
      connection?.abort.abort()
      connection = null
    }
    try {
      await connection.ready
    } catch (error) {
      close()
      throw error
    }
    return {
      async next(signal, withinMs) {
        if (waiting.length === 0 && !closed && !signal.aborted) {
          await new Promise<void>((resolve) => {
            const timer = withinMs === undefined ? undefined : setTimeout(done, withinMs)
            function done() {
              clearTimeout(timer)
              signal.removeEventListener('abort', done)
              wake = null
              resolve()
            }
            signal.addEventListener('abort', done, { once: true })
            wake = done
          })
        }
        return closed || signal.aborted ? null : (waiting.shift() ?? null)
      },
      close,
    }
  }

  function connect(): { abort: AbortController; ready: Promise<void> } {
    const abort = new AbortController()
    const ready = new Promise<void>((resolve, reject) => {
      void (async () => {
        let lost = false
        for (let tries = 0; !abort.signal.aborted; tries++) {
          try {
            await read(abort.signal, () => {
              tries = 0
              if (lost) tellAll({ type: 'gap' })
              lost = true
              resolve()
            })
          } catch (error) {
            if (abort.signal.aborted) break
            log.warn('the event stream of the inline harness broke', { error: String(error) })
            // Whoever waits for the first connection learns at once that there is none.
            if (!lost && tries >= RETRY_MS.length - 1) {
              connection = null
              return reject(error)
            }
          }
          await new Promise((done) => setTimeout(done, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]!))
        }
        resolve()
      })()
    })
    return { abort, ready }
  }

  async function read(signal: AbortSignal, connected: () => void): Promise<void> {
    const address = await server.ensure()
    const silence = new AbortController()
    const timer = setTimeout(() => silence.abort(new Error('no heartbeat')), SILENCE_MS)
    try {
      const response = await fetch(`${address.url}/global/event`, {
        headers: headersOf(address),
        signal: AbortSignal.any([signal, silence.signal]),
      })
      if (!response.ok || !response.body) throw new Error(`OpenCode answered ${response.status} to GET /global/event`)
      const decoder = new TextDecoder()
      const parser = createParser({ onEvent: ({ data }) => dispatch(data, connected) })
      for await (const chunk of response.body) {
        timer.refresh()
        parser.feed(decoder.decode(chunk, { stream: true }))
      }
    } finally {
      clearTimeout(timer)
    }
  }

  function dispatch(data: string, connected: () => void): void {
    // Each stored change comes a second time for OpenCode's own replication.
    if (data.includes('"payload":{"type":"sync"')) return
    const event = parse(data)
    if (!event) return
    if (event.type === 'server.connected') connected()
    const sessionId = sessionOf(event.properties)
    if (sessionId === null) return
    for (const hear of listeners.get(sessionId) ?? []) hear({ type: 'event', event })
  }

  function tellAll(heard: Heard): void {
    for (const same of listeners.values()) for (const hear of same) hear(heard)
  }

  return {
    subscribe,
    close(): void {
      connection?.abort.abort()
      connection = null
      listeners.clear()
    },
  }
}

function parse(data: string): NativeEvent | null {
  try {
    const { payload } = JSON.parse(data) as { payload?: { type?: unknown; properties?: unknown } }
    if (typeof payload?.type !== 'string' || typeof payload.properties !== 'object' || payload.properties === null)
      return null
    return { type: payload.type, properties: payload.properties as Record<string, unknown> }
  } catch {
    return null
  }
}

function sessionOf(properties: Record<string, unknown>): string | null {
  return typeof properties.sessionID === 'string' ? properties.sessionID : null
}
