import { eq, sql } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openTestCore, type TestCore } from '../../test/core.ts'
import { scriptedWorld } from '../../test/scripted-runtime.ts'
import { type Database, type Db, openDatabase } from '../database.ts'
import { runMessages, runs, sessionTokens } from '../schema/index.ts'
import type { Kinds } from './bind.ts'
import { claim } from './lease.ts'

let database: Database
let hub: TestCore
/** The next statement on such a table fails, as it does when a server restarts. */
const broken = new Set<PgTable>()

beforeAll(async () => {
  database = await openDatabase({})
})
afterAll(() => database.close())
beforeEach(async () => {
  hub = await openTestCore({
    database: { ...database, db: breakable(database.db), close: async () => {} },
    worker: false,
  })
})
afterEach(async () => {
  broken.clear()
  await hub.close()
})

/** The same database, except that a read or update of what is in `broken` throws, once. */
function breakable(db: Db): Db {
  const refuse = (table: PgTable) => {
    if (broken.delete(table)) throw new Error('the connection was ended')
    return table
  }
  return new Proxy(db, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name === 'update') return (table: PgTable) => target.update(refuse(table))
      if (name === 'select')
        return (...fields: []) => ({ from: (table: PgTable) => target.select(...fields).from(refuse(table)) })
      if (name === 'transaction')
        return (act: (tx: Db) => Promise<unknown>) => target.transaction((tx) => act(breakable(tx)))
      return value.bind(target)
    },
  })
}

const start = (prompt: string) => hub.core.runs.start(hub.admin, { agent: 'echo', prompt })
const wait = (id: string) => hub.core.runs.wait(hub.admin, id, { seconds: 20 })

test('a hub that stops while it claims starts nothing any more, and the run is done after the next start', async () => {
  const { id } = await start('say:later')
  await hub.core.startWorker()
  await hub.core.stopWorker()
  expect(hub.world.starts).toEqual([])
  await hub.core.startWorker()
  expect(await wait(id)).toMatchObject({ status: 'succeeded', output: 'later' })
  expect(hub.world.starts.filter((started) => started === id)).toHaveLength(1)
})

test('a hub that stops while a runtime is opened has not sent the prompt, and knows it', async () => {
  await hub.close()
  const world = scriptedWorld()
  delete world.runtime.find
  const { start: begin } = world.runtime
  world.runtime.start = async (ref, turn, io) => {
    io.signal.throwIfAborted()
    return await begin(ref, turn, io)
  }
  let opening = () => {}
  const asked = new Promise<void>((resolve) => {
    opening = resolve
  })
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const slow = async () => {
    opening()
    await opened
    return world.runtime
  }
  hub = await openTestCore({
    database: { ...database, close: async () => {} },
    worker: false,
    world: { ...world, kind: { ...world.kind, open: slow } },
  })
  const { id } = await start('say:sent_once')
  await hub.core.startWorker()
  await asked
  const stopped = hub.core.stopWorker()
  open()
  await stopped
  await hub.core.startWorker()
  expect(await wait(id)).toMatchObject({ status: 'succeeded', output: 'sent once' })
})

test('a run whose messages could not be read for a while hears the next one', async () => {
  broken.add(runMessages)
  await hub.core.startWorker()
  const { id } = await start('say:begin last')
  for await (const batch of hub.core.runs.watch(hub.admin, id))
    if (batch.some(({ type }) => type === 'TEXT_MESSAGE_CONTENT')) break
  expect(broken.size).toBe(0)
  await hub.core.runs.stop(hub.admin, id)
  expect(await wait(id)).toMatchObject({ status: 'cancelled' })
})

test('an outcome that could not be stored is stored by the next holder, as it was', async () => {
  broken.add(sessionTokens)
  await hub.core.startWorker()
  const { id } = await start('say:well_done')
  await expect.poll(() => hub.world.runs.get(id)?.status).toBe('succeeded')
  await expect.poll(() => broken.size, { timeout: 10_000 }).toBe(0)
  await database.db.update(runs).set({ leaseUntil: sql`now() - interval '1 second'` }).where(eq(runs.id, id))
  expect(await wait(id)).toMatchObject({ status: 'succeeded', output: 'well done' })
  const { events } = await hub.core.runs.events(hub.admin, id, { limit: 1000 })
  expect(events.filter(({ type }) => type === 'TEXT_MESSAGE_END')).toHaveLength(1)
})

test('a run whose stream breaks at once all the time still ends at its deadline', async () => {
  await hub.core.agents.create(hub.admin, { name: 'short', runtime: 'scripted', limits: { seconds: 1 } })
  hub.world.runtime.stream = () => {
    throw new Error('no stream here')
  }
  await hub.core.startWorker()
  const { id } = await hub.core.runs.start(hub.admin, { agent: 'short', prompt: 'last' })
  expect(await wait(id)).toMatchObject({ status: 'failed', error: { code: 'deadline_exceeded' } })
})

test('a start that never answers ends at the deadline of the run', async () => {
  await hub.core.agents.create(hub.admin, { name: 'stuck', runtime: 'scripted', limits: { seconds: 1 } })
  hub.world.runtime.start = (_ref, _turn, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  await hub.core.startWorker()
  const { id } = await hub.core.runs.start(hub.admin, { agent: 'stuck', prompt: 'say:never' })
  expect(await wait(id)).toMatchObject({ status: 'failed', error: { code: 'deadline_exceeded' } })
})

test('a file that is too large is told, and what the runtime says after it is heard once', async () => {
  await hub.core.config.apply(hub.admin, 'limits:\n  file_bytes: 10\n')
  const { stream } = hub.world.runtime
  hub.world.runtime.stream = async function* (ref, io) {
    yield { type: 'artifact', name: 'big.txt', mediaType: 'text/plain', read: async () => Buffer.alloc(1_000, 'a') }
    yield* stream(ref, io)
  }
  await hub.core.startWorker()
  const { id } = await start('say:after_the_file')
  expect(await wait(id)).toMatchObject({ status: 'succeeded' })
  const { events } = await hub.core.runs.events(hub.admin, id, { limit: 1000 })
  const told = JSON.stringify(events)
  expect(told).toContain('big.txt')
  expect(told).toContain('after the file')
  await hub.core.config.apply(hub.admin, 'limits: {}\n')
})

test('a secret in the choices of a question is neither stored nor shown', async () => {
  hub.core.keepSecret('canary-4f1c9a7e', 'test')
  hub.world.runtime.stream = async function* (_ref, { signal }) {
    const options = [{ id: 'a', label: 'Use canary-4f1c9a7e', kind: 'answer' as const }]
    yield {
      type: 'interrupt',
      interrupt: { id: 'q', kind: 'question', message: 'Which?', options },
    }
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  }
  await hub.core.startWorker()
  const { id } = await start('last')
  const waiting = await wait(id)
  expect(waiting.pending).toHaveLength(1)
  const { events } = await hub.core.runs.events(hub.admin, id, { limit: 1000 })
  expect(JSON.stringify([waiting, events])).not.toContain('canary')
  await hub.core.runs.stop(hub.admin, id)
})

test('a secret in what a runtime says of its health is neither stored nor shown', async () => {
  hub.core.keepSecret('canary-8b2d6f03', 'test')
  const { health } = hub.world.runtime
  hub.world.runtime.health = async (io) => ({ ...(await health(io)), message: 'refused: canary-8b2d6f03' })
  expect(await hub.core.runtimes.check(hub.admin, 'scripted')).toMatchObject({ status: 'ok' })
  const shown = [
    await hub.core.runtimes.check(hub.admin, 'scripted'),
    await hub.core.runtimes.get(hub.admin, 'scripted'),
  ]
  expect(JSON.stringify(shown)).toContain('refused')
  expect(JSON.stringify(shown)).not.toContain('canary')
})

test('a run is not taken while a later one of its session is at work', async () => {
  const { id, session_id } = await start('say:one')
  const later = await hub.core.sessions.send(hub.admin, session_id, { prompt: 'say:two', mode: 'queue' })
  // As it is when the first of two that were sent at once commits last.
  await database.db
    .update(runs)
    .set({ status: 'running', leaseUntil: sql`now() + interval '1 hour'` })
    .where(eq(runs.id, later.id))
  const kinds: Kinds = new Map([[hub.world.kind.kind, hub.world.kind]])
  const taken = await claim(database.db, kinds, { holder: 'plc_x:1', placement: 'plc_x', credits: 100 })
  expect(taken.map(({ run }) => run.id)).not.toContain(id)
  await database.db.update(runs).set({ leaseUntil: sql`now()` }).where(eq(runs.id, later.id))
})

test('an agent version that is not valid any more fails its own run and no other', async () => {
  await hub.core.agents.create(hub.admin, { name: 'outdated', runtime: 'scripted' })
  const [bad, good] = [
    await hub.core.runs.start(hub.admin, { agent: 'outdated', prompt: 'say:x' }),
    await start('say:fine'),
  ]
  await database.db.execute(
    sql`update versions set definition = '{"limits": "none"}' where subject_id = (select agent_id from runs where id = ${bad.id})`,
  )
  await hub.core.startWorker()
  expect(await wait(bad.id)).toMatchObject({ status: 'failed', error: { code: 'invalid_config' } })
  expect(await wait(good.id)).toMatchObject({ status: 'succeeded', output: 'fine' })
})
