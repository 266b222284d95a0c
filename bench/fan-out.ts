import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Hono } from 'hono'
import { stream } from 'hono/streaming'
import { post } from './client.ts'
import { openBenchHub, serveOn } from './hub.ts'
import { prompts } from './instant-runtime.ts'
import type { Bench, Line } from './line.ts'

const EVENTS = 10_000
const WATCHERS = 100

/** One run tells 10,000 events as fast as they are taken; 100 watchers in another process read all of them. */
export const bench: Bench = {
  name: 'fan-out',
  places: true,
  async run(place): Promise<Line[]> {
    const hub = await openBenchHub(place)
    try {
      const alone = await flood(hub, 0)
      const watched = await flood(hub, WATCHERS)
      const plain = await fromMemory()
      return [
        { name: `events written, nobody watching, ${place.name}`, value: EVENTS / alone.seconds, unit: 'events/s' },
        {
          name: `events written with ${WATCHERS} watchers, ${place.name}`,
          value: EVENTS / watched.seconds,
          unit: 'events/s',
        },
        {
          name: `events delivered to ${WATCHERS} watchers, ${place.name}`,
          value: watched.delivered / watched.seconds,
          unit: 'events/s',
          baseline: { name: 'hono that streams the same from memory', value: plain.delivered / plain.seconds },
          ratio: watched.delivered / watched.seconds / (plain.delivered / plain.seconds),
        },
      ]
    } finally {
      await hub.close()
    }
  },
}

type Flood = { seconds: number; delivered: number }

async function flood(
  { core, admin, runtime, url, headers }: Awaited<ReturnType<typeof openBenchHub>>,
  watchers: number,
): Promise<Flood> {
  const next = runtime.started() + 1
  const { id } = await post<{ id: string }>(
    `${url}/api/v1/runs`,
    { agent: 'instant', prompt: prompts.flood(EVENTS) },
    headers,
  )
  await runtime.startedCount(next)
  const readers = watchers === 0 ? null : watch(`${url}/api/v1/runs/${id}/events/stream`, headers, watchers)
  await readers?.connected
  const started = performance.now()
  runtime.open(id)
  let run = await core.runs.wait(admin, id, { seconds: 45 })
  while (run.status === 'running') run = await core.runs.wait(admin, id, { seconds: 45 })
  const delivered = (await readers?.delivered) ?? 0
  if (run.last_seq < EVENTS || (readers && delivered !== run.last_seq * watchers))
    throw new Error(`${run.last_seq} events were written, ${delivered} delivered to ${watchers} watchers`)
  return { seconds: (performance.now() - started) / 1000, delivered }
}

/** The floor: the same bytes to as many readers, from memory, in pieces of as many events as the hub writes at once. */
async function fromMemory(): Promise<Flood> {
  const piece = Array.from(
    { length: 100 },
    (_, at) =>
      `id: ${at}\ndata: ${JSON.stringify({ seq: at, at: new Date().toISOString(), type: 'CUSTOM', name: 'progress', value: 'line 1000 of a run that has much to tell to whoever watches it' })}\n\n`,
  )
  const gate = new AbortController()
  const opened = once(gate.signal, 'abort')
  const app = new Hono().get('/', (c) => {
    c.header('content-type', 'text/event-stream')
    return stream(c, async (out) => {
      await out.write('id: 0\ndata: {"seq":0}\n\n')
      await opened
      for (let sent = 0; sent < EVENTS; sent += piece.length) await out.write(piece.join(''))
    })
  })
  const served = await serveOn(app)
  try {
    const readers = watch(served.url, {}, WATCHERS)
    await readers.connected
    const started = performance.now()
    gate.abort()
    const delivered = await readers.delivered
    return { seconds: (performance.now() - started) / 1000, delivered }
  } finally {
    await served.close()
  }
}

/** A process of its own with so many watchers of one stream. */
function watch(
  url: string,
  headers: Record<string, string>,
  watchers: number,
): { connected: Promise<void>; delivered: Promise<number> } {
  const child = fork(
    fileURLToPath(new URL('./watchers.ts', import.meta.url)),
    [JSON.stringify({ url, headers, watchers })],
    { execArgv: ['--import', 'tsx'] },
  )
  const said = (word: string) =>
    new Promise<number>((resolve, reject) => {
      child.on('message', (message: Record<string, number>) => {
        if (message[word] !== undefined) resolve(message[word])
      })
      child.once('exit', (code) => reject(new Error(`the watchers ended with ${code}`)))
    })
  const delivered = said('events')
  // A failure shows where it is waited for.
  delivered.catch(() => {})
  return { connected: said('connected').then(() => {}), delivered }
}
