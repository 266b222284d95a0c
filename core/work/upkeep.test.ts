import { eq, isNotNull, sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestCore, type TestCore } from '../../test/core.ts'
import { type Database, openDatabase } from '../database.ts'
import { replicas, runs, sessions } from '../schema/index.ts'

let database: Database
let hub: TestCore
beforeAll(async () => {
  database = await openDatabase({})
  hub = await openTestCore({ database })
  await hub.core.runtimes.create(hub.admin, { name: 'local', kind: 'scripted', settings: { replica: true } })
  await hub.core.agents.create(hub.admin, { name: 'local', runtime: 'local' })
})
afterAll(() => hub.close())

/** A session that lives in a replica, and runs of it that wait in the queue. */
async function queueInPlace(prompts: string[]) {
  const first = await hub.core.runs.start(hub.admin, { agent: 'local', prompt: 'say:first' })
  await hub.core.runs.wait(hub.admin, first.id, { seconds: 20 })
  await hub.core.stopWorker()
  const ids: string[] = []
  for (const prompt of prompts)
    ids.push((await hub.core.sessions.send(hub.admin, first.session_id, { prompt, mode: 'queue' })).id)
  return ids
}

test('a hub that was away for long goes on with the runs of its own sessions', async () => {
  const queued = await queueInPlace(['say:a', 'say:b', 'say:c'])
  const seenAt = new Date(Date.now() - 3_600_000)
  const [session] = await database.db.select().from(sessions).where(isNotNull(sessions.placement))
  const placement = session!.placement!
  await database.db
    .insert(replicas)
    .values({ placement, holder: `${placement}:old`, seenAt })
    .onConflictDoUpdate({ target: replicas.placement, set: { seenAt } })
  await hub.core.startWorker()
  for (const id of queued)
    expect(await hub.core.runs.wait(hub.admin, id, { seconds: 20 })).toMatchObject({ status: 'succeeded' })
})

test('a run of a replica that is gone fails, and nothing of it is left open', async () => {
  const started = await hub.core.runs.start(hub.admin, { agent: 'local', prompt: 'permit:bash' })
  const waiting = await hub.core.runs.wait(hub.admin, started.id, { seconds: 20 })
  expect(waiting.status).toBe('awaiting_input')
  await hub.core.stopWorker()
  await database.db.execute(sql`insert into replicas (placement, holder, seen_at)
    values ('plc_gone', 'plc_gone:1', now() - interval '1 hour')`)
  await database.db.execute(sql`update sessions set placement = 'plc_gone' where id = ${started.session_id}`)
  await database.db.update(runs).set({ holder: 'plc_gone:1' }).where(eq(runs.id, started.id))
  await hub.core.startWorker()
  await expect
    .poll(() => hub.core.runs.get(hub.admin, started.id), { timeout: 10_000 })
    .toMatchObject({ status: 'failed', error: { code: 'placement_lost' } })
  expect(await hub.core.approvals.get(hub.admin, waiting.pending[0]!.id)).toMatchObject({ status: 'cancelled' })
  const { events } = await hub.core.runs.events(hub.admin, started.id, { limit: 1000 })
  expect(events.map(({ type }) => type)).toEqual(['RUN_STARTED', 'RUN_FINISHED', 'RUN_STARTED', 'RUN_ERROR'])
})
