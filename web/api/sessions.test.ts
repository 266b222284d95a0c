import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Approval, Page, Run, Session } from '../../core/index.ts'
import { openRest, type TestRest } from '../../test/rest.ts'

let rest: TestRest
beforeAll(async () => {
  rest = await openRest()
})
afterAll(async () => {
  await rest.close()
})

const start = async (prompt: string, wait_seconds = 0) =>
  (await rest.call<Run>('POST', '/runs', { body: { agent: 'echo', prompt, wait_seconds } })).body
const send = (session: string, body: Record<string, unknown>, headers: Record<string, string> = {}) =>
  rest.call<Run>('POST', `/sessions/${session}/messages`, { body, headers })

test('queue waits its turn, steer speaks into the run at work, interrupt takes its place', async () => {
  const first = await start('last')
  await vi.waitFor(() => expect(rest.world.starts).toContain(first.id))
  const steered = await send(first.session_id, { prompt: 'faster', mode: 'steer' })
  expect(steered).toMatchObject({ status: 201, body: { id: first.id } })
  const queued = await send(first.session_id, { prompt: 'say:later' })
  expect(queued.body).toMatchObject({ status: 'queued', session_id: first.session_id })
  const instead = await send(first.session_id, { prompt: 'say:now', mode: 'interrupt', wait_seconds: 20 })
  expect(instead.body).toMatchObject({ status: 'succeeded', output: 'now' })
  expect((await rest.call<Run>('GET', `/runs/${first.id}`)).body.status).toBe('cancelled')
  expect(rest.world.heard).toContainEqual({ runId: first.id, type: 'steer', text: 'faster' })
})

test('a message with the same key is sent once', async () => {
  const { session_id } = await start('say:x', 20)
  const headers = { 'idempotency-key': 'm1' }
  const first = await send(session_id, { prompt: 'say:y', wait_seconds: 20 }, headers)
  const again = await send(session_id, { prompt: 'say:y', wait_seconds: 20 }, headers)
  expect(again.body.id).toBe(first.body.id)
  expect((await send(session_id, { prompt: 'say:z' }, headers)).body).toMatchObject({
    error: { code: 'idempotency_conflict' },
  })
})

test('a message answers a question, and an approval is decided once', async () => {
  const asked = await start('ask:which_one?', 20)
  expect(asked.pending[0]).toMatchObject({ kind: 'question', message: 'which one?' })
  const answered = await send(asked.session_id, { prompt: 'the first', wait_seconds: 20 })
  expect(answered.body).toMatchObject({ id: asked.id, status: 'succeeded', output: 'answer the first' })

  const waiting = await start('permit:bash', 20)
  const approval = waiting.pending[0]!.id
  const listed = await rest.call<Page<Approval>>('GET', `/approvals?status=pending&run_id=${waiting.id}`)
  expect(listed.body.data.map(({ id }) => id)).toEqual([approval])
  const decide = (option_id: string) => rest.call('POST', `/approvals/${approval}/decision`, { body: { option_id } })
  expect((await decide('maybe')).status).toBe(400)
  expect((await decide('once')).body).toMatchObject({ status: 'decided', option_id: 'once', decided_by: 'admin' })
  expect((await decide('once')).status).toBe(200)
  expect((await decide('reject')).body).toMatchObject({ error: { code: 'approval_decided' } })
})

test('sessions are listed by agent and status, over pages', async () => {
  await rest.call('POST', '/agents', { body: { name: 'other', runtime: 'scripted' } })
  const made: string[] = []
  for (let i = 0; i < 5; i++) {
    const { body } = await rest.call<Run>('POST', '/runs', {
      body: { agent: 'other', prompt: 'say:x', wait_seconds: 20 },
    })
    made.push(body.session_id)
  }
  const seen: string[] = []
  let query = '?agent=other&status=idle&limit=2'
  for (;;) {
    const { body } = await rest.call<Page<Session>>('GET', `/sessions${query}`)
    seen.push(...body.data.map(({ id }) => id))
    if (body.next_cursor === null) break
    query = `?agent=other&status=idle&limit=2&cursor=${body.next_cursor}`
  }
  expect(seen).toEqual([...made].reverse())
})

test('a session keeps its version of the agent until it is moved', async () => {
  await rest.call('POST', '/agents', { body: { name: 'changing', runtime: 'scripted' } })
  const run = await rest.call<Run>('POST', '/runs', { body: { agent: 'changing', prompt: 'say:x', wait_seconds: 20 } })
  await rest.call('PATCH', '/agents/changing', { body: { instructions: 'be brief' } })
  const { session_id } = run.body
  expect((await send(session_id, { prompt: 'say:x', wait_seconds: 20 })).body.agent_version).toBe(1)
  expect((await rest.call<Session>('POST', `/sessions/${session_id}/update`)).body.agent_version).toBe(2)
  expect((await send(session_id, { prompt: 'say:x', wait_seconds: 20 })).body.agent_version).toBe(2)
})
