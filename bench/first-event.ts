import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { post, readStream } from './client.ts'
import { openBenchHub, serveOn } from './hub.ts'
import { prompts } from './instant-runtime.ts'
import { type Bench, type Line, quantile } from './line.ts'

const WARM_UP = 30
const SAMPLES = 300

/** From sending `POST /runs` to the first event, and to the first text, at a watcher that connects when it has the id. */
export const bench: Bench = {
  name: 'first-event',
  places: true,
  async run(place) {
    const echo = await serveOn(echoApp())
    const hub = await openBenchHub(place)
    try {
      // Sample by sample in turn, so that both meet the same weather.
      const ours: Sample[] = []
      const plain: Sample[] = []
      for (let at = 0; at < WARM_UP + SAMPLES; at++) {
        ours.push(await sample(`${hub.url}/api/v1`, hub.headers))
        plain.push(await sample(echo.url, {}))
      }
      return [
        ...lines(
          place.name,
          'first event',
          ours.map((s) => s.firstMs),
          plain.map((s) => s.firstMs),
          '<= 25',
        ),
        ...lines(
          place.name,
          'first text',
          ours.map((s) => s.textMs),
          plain.map((s) => s.textMs),
        ),
      ]
    } finally {
      await hub.close()
      await echo.close()
    }
  },
}

type Sample = { firstMs: number; textMs: number }

async function sample(base: string, headers: Record<string, string>): Promise<Sample> {
  const started = performance.now()
  const { id } = await post<{ id: string }>(`${base}/runs`, { agent: 'instant', prompt: prompts.instant }, headers)
  let [firstMs, textMs] = [Number.NaN, Number.NaN]
  await readStream(`${base}/runs/${id}/events/stream`, headers, (data) => {
    if (Number.isNaN(firstMs)) firstMs = performance.now() - started
    if (Number.isNaN(textMs) && data.includes('TEXT_MESSAGE_CONTENT')) textMs = performance.now() - started
  })
  if (Number.isNaN(textMs)) throw new Error(`run ${id} told no text`)
  return { firstMs, textMs }
}

function lines(place: string, what: string, ours: number[], plain: number[], goal?: string): Line[] {
  return [0.5, 0.99].map((share) => {
    const value = quantile(ours.slice(WARM_UP), share)
    const baseline = quantile(plain.slice(WARM_UP), share)
    return {
      name: `request to ${what}, p${share * 100}, ${place}`,
      value,
      unit: 'ms',
      baseline: { name: 'hono that answers and streams from memory', value: baseline },
      ratio: value / baseline,
      ...(goal !== undefined && share === 0.5 ? { goal } : {}),
    }
  })
}

/** The least that a server must do for the same exchange: no database, no runtime. */
function echoApp(): Hono {
  const app = new Hono()
  app.post('/runs', async (c) => {
    await c.req.json()
    return c.json({ id: 'run_1' }, 201)
  })
  app.get('/runs/:id/events/stream', (c) =>
    streamSSE(c, async (stream) => {
      for (const [seq, type] of [
        'RUN_STARTED',
        'TEXT_MESSAGE_START',
        'TEXT_MESSAGE_CONTENT',
        'TEXT_MESSAGE_END',
        'RUN_FINISHED',
      ].entries())
        await stream.writeSSE({ id: String(seq + 1), data: JSON.stringify({ seq: seq + 1, type }) })
    }),
  )
  return app
}
