import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestCore, type TestCore } from '../../test/core.ts'
import { type Database, openDatabase } from '../database.ts'
import { createFeed } from './feed.ts'

let database: Database
let hub: TestCore
beforeAll(async () => {
  database = await openDatabase({})
  hub = await openTestCore({ database, worker: false })
})
afterAll(() => hub.close())

test('who goes on far into a long log hears the next event at once, also after a quiet while', async () => {
  const { id } = await hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'say:long' })
  const write = (from: number, to: number) =>
    database.db.execute(sql`insert into events (run_id, seq, type, data, at)
      select ${id}, n, 'CUSTOM', '{}', now() from generate_series(${from}::int, ${to}::int) n`)
  await write(1, 5_000)
  const feed = createFeed(database.db)
  const stop = new AbortController()
  const watching = feed.watch(id, 5_000, stop.signal)
  const next = watching.next()
  // Told before it can be read, as the backstop poll of a quiet run asks, too.
  feed.heard(id, 5_001)
  await new Promise((resolve) => setTimeout(resolve, 200))
  await write(5_001, 5_001)
  feed.publish(id, [{ seq: 5_001, at: new Date().toISOString(), type: 'CUSTOM' }])
  const heard = await Promise.race([next, new Promise((resolve) => setTimeout(() => resolve('late'), 2_000))])
  expect(heard).toMatchObject({ value: [{ seq: 5_001 }] })
  stop.abort()
  await watching.return()
})
