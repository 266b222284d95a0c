import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestCore, type TestCore } from '../../test/core.ts'
import { type Database, openDatabase } from '../database.ts'
import { createFeed } from './feed.ts'
import { readInbox, receiveEvents } from './inbox.ts'

let database: Database
let hub: TestCore
beforeAll(async () => {
  database = await openDatabase({})
  hub = await openTestCore({ database, worker: false })
})
afterAll(() => hub.close())

test('a callback with characters that a database cannot hold is taken without them, and what follows is read', async () => {
  const { db } = database
  const { id } = await hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'say:hi' })
  const runtime = await hub.core.runtimes.get(hub.admin, 'scripted')
  await receiveEvents(db, runtime.id, id, [{ seq: 1, event: { text: 'a\u0000b\ud800' } }])
  await receiveEvents(db, runtime.id, id, [{ seq: 2, event: { text: 'next' } }])
  const read = []
  for await (const event of readInbox(db, createFeed(db), id, 0, AbortSignal.timeout(5_000)))
    if (read.push(event) === 2) break
  expect(read).toEqual([
    { seq: 1, event: { text: 'ab\ufffd' } },
    { seq: 2, event: { text: 'next' } },
  ])
})
