import { Hono } from 'hono'
import { post, readStream } from './client.ts'
import { openBenchHub, serveOn } from './hub.ts'
import { prompts } from './instant-runtime.ts'
import { type Bench, quantile } from './line.ts'

const WARM_UP = 20
const SAMPLES = 150

/** From sending `POST /runs/{id}/stop` to the moment that the runtime is told. */
export const bench: Bench = {
  name: 'stop',
  places: true,
  async run(place) {
    let heard = 0
    const app = new Hono().post('/stop', (c) => {
      heard = performance.now()
      return c.json({})
    })
    const plain = await serveOn(app)
    const hub = await openBenchHub(place)
    try {
      const ours: number[] = []
      const baselines: number[] = []
      for (let at = 0; at < WARM_UP + SAMPLES; at++) {
        ours.push(await stopOne(hub))
        const started = performance.now()
        await post(`${plain.url}/stop`, {})
        baselines.push(heard - started)
      }
      return [0.5, 0.99].map((share) => {
        const value = quantile(ours.slice(WARM_UP), share)
        const baseline = quantile(baselines.slice(WARM_UP), share)
        return {
          name: `stop to runtime told, p${share * 100}, ${place.name}`,
          value,
          unit: 'ms',
          baseline: { name: 'hono that calls a function', value: baseline },
          ratio: value / baseline,
          ...(share === 0.5 ? { goal: '<= 50' } : {}),
        }
      })
    } finally {
      await hub.close()
      await plain.close()
    }
  },
}

async function stopOne({ url, headers, runtime }: Awaited<ReturnType<typeof openBenchHub>>): Promise<number> {
  const { id } = await post<{ id: string }>(`${url}/api/v1/runs`, { agent: 'instant', prompt: prompts.hold }, headers)
  // The first text shows that the runtime is at work.
  let ended: Promise<void> | undefined
  await new Promise<void>((resolve, reject) => {
    ended = readStream(`${url}/api/v1/runs/${id}/events/stream`, headers, (data) => {
      if (data.includes('TEXT_MESSAGE_CONTENT')) resolve()
    })
    ended.catch(reject)
  })
  const started = performance.now()
  await post(`${url}/api/v1/runs/${id}/stop`, {}, headers)
  await ended
  const told = runtime.toldToStop(id)
  if (told === undefined) throw new Error(`the runtime of run ${id} was not told`)
  return told - started
}
