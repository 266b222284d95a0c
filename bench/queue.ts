import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { openDatabase } from '../core/database.ts'
import { openBenchCore, openPlace } from './hub.ts'
import { prompts } from './instant-runtime.ts'
import { type Bench, type Place, quantile } from './line.ts'

const RUNS = 200
const ROUNDS = 3

/** 200 runs wait while no worker is there; from its start to the moment that the runtime has started all of them, on 200 slots. */
export const bench: Bench = {
  name: 'queue',
  places: true,
  async run(place) {
    const data = await openPlace(place)
    const ours: number[] = []
    const plain: number[] = []
    try {
      for (let round = 0; round < ROUNDS; round++) {
        ours.push(await startAll(data))
        plain.push(await updateAll(place))
      }
    } finally {
      await data.remove()
    }
    const value = quantile(ours, 0.5)
    const baseline = quantile(plain, 0.5)
    return [
      {
        name: `${RUNS} queued runs all started, median of ${ROUNDS}, ${place.name}`,
        value,
        unit: 's',
        baseline: { name: `${RUNS} inserts of a row, one after the other, in the same database`, value: baseline },
        ratio: value / baseline,
        goal: '<= 1.5',
      },
    ]
  },
}

async function startAll(data: { dataDir: string; databaseUrl?: string }): Promise<number> {
  const { core, admin, runtime } = await openBenchCore(data, false)
  try {
    for (let at = 0; at < RUNS; at++) await core.runs.start(admin, { agent: 'instant', prompt: prompts.hold })
    const started = performance.now()
    await core.startWorker()
    await runtime.startedCount(RUNS)
    const seconds = (performance.now() - started) / 1000
    // The next round must find nothing at work.
    for (
      let page = await core.runs.list(admin, { status: 'running', limit: 200 });
      page.data.length > 0;
      page = await core.runs.list(admin, { status: 'running', limit: 200 })
    )
      for (const { id } of page.data) {
        await core.runs.stop(admin, id)
        await core.runs.wait(admin, id, { seconds: 45 })
      }
    return seconds
  } finally {
    await core.close()
  }
}

async function updateAll(place: Place): Promise<number> {
  const data = await openPlace(place)
  const database = await openDatabase(
    data.databaseUrl === undefined ? { folder: join(data.dataDir, 'database') } : { url: data.databaseUrl },
  )
  try {
    await database.db.execute(sql`create table bench_rows (id int primary key, body text)`)
    const started = performance.now()
    for (let at = 0; at < RUNS; at++) await database.db.execute(sql`insert into bench_rows values (${at}, 'queued')`)
    return (performance.now() - started) / 1000
  } finally {
    await database.close()
    await data.remove()
  }
}
