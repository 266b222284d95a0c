import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestCore, type TestCore } from '../../test/core.ts'

let hub: TestCore
beforeAll(async () => {
  hub = await openTestCore()
})
afterAll(() => hub.close())

async function openSession(): Promise<string> {
  const first = await hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'say:hello' })
  await hub.core.runs.wait(hub.admin, first.id, { seconds: 20 })
  return first.session_id
}

test('a message that comes again does not answer the question of the run that it started', async () => {
  const session = await openSession()
  const send = () =>
    hub.core.sessions.send(hub.admin, session, { prompt: 'ask:which?', mode: 'steer' }, { requestKey: 'again:1' })
  const started = await send()
  const waiting = await hub.core.runs.wait(hub.admin, started.id, { seconds: 20 })
  expect(waiting.status).toBe('awaiting_input')
  expect((await send()).id).toBe(started.id)
  expect(await hub.core.approvals.get(hub.admin, waiting.pending[0]!.id)).toMatchObject({ status: 'pending' })
  await hub.core.runs.stop(hub.admin, started.id)
})

test('a message that comes again is not said to the run that it started', async () => {
  const session = await openSession()
  const send = (prompt: string) =>
    hub.core.sessions.send(hub.admin, session, { prompt, mode: 'steer' }, { requestKey: 'again:2' })
  const started = await send('say:begin last')
  for await (const batch of hub.core.runs.watch(hub.admin, started.id))
    if (batch.some(({ type }) => type === 'TEXT_MESSAGE_CONTENT')) break
  expect((await send('say:begin last')).id).toBe(started.id)
  await expect(send('something else')).rejects.toMatchObject({ code: 'idempotency_conflict' })
  await hub.core.runs.stop(hub.admin, started.id)
  await hub.core.runs.wait(hub.admin, started.id, { seconds: 20 })
  expect(hub.world.heard.filter(({ runId, type }) => runId === started.id && type === 'steer')).toEqual([])
})
