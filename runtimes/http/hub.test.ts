import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Actor, createCore, type HubCore, HubError, type Run, type RunEvent } from '../../core/index.ts'
import { quiet } from '../../test/core.ts'
import { startHttpAgent } from '../../test/emulators/http-agent.ts'
import { serveApp } from '../../test/serve.ts'
import { http } from './http.ts'

const secret = `whsec_${Buffer.from('between the hub and its agents').toString('base64')}`
const agents = {
  sync: await startHttpAgent({ mode: 'sync', secret }),
  stream: await startHttpAgent({ mode: 'stream', secret }),
  durable: await startHttpAgent({ durable: true, secret }),
  async: await startHttpAgent({ mode: 'async', secret }),
}
const settings = {
  sync: { mode: 'sync' },
  stream: { mode: 'stream' },
  durable: { mode: 'stream', durable: true, answers: true, sessions: true },
  async: { mode: 'async', cancel: true },
}
const names = Object.keys(settings) as (keyof typeof settings)[]

let hub: HubCore
let admin: Actor
let dataDir: string
/** As the REST door does it; nobody is there while the hub is down. */
const door = await serveApp(async (request) => {
  const [, , , , runtimeId = ''] = new URL(request.url).pathname.split('/')
  const status = await hub.receiveCallback(runtimeId, request).then(
    (taken) => taken.status,
    (error: unknown) => (error instanceof HubError ? error.status : 503),
  )
  return new Response(null, { status })
})

async function openHub(): Promise<void> {
  hub = await createCore({ dataDir, kinds: [http], log: quiet, publicUrl: door.url, env: { AGENT_SECRET: secret } })
  admin = await hub.admin()
  await hub.startWorker()
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'signalbox-http-'))
  await openHub()
  for (const name of names) {
    const given = {
      url: agents[name].url,
      secret: 'env:AGENT_SECRET',
      allow_private_addresses: true,
      ...settings[name],
    }
    await hub.runtimes.create(admin, { name, kind: 'http', settings: given })
    await hub.agents.create(admin, { name, runtime: name })
  }
})

afterAll(async () => {
  await hub.close()
  await door.close()
  await Promise.all(names.map((name) => agents[name].close()))
  await rm(dataDir, { recursive: true, force: true })
})

const start = (agent: string, prompt: string) => hub.runs.start(admin, { agent, prompt })

async function finished(id: string): Promise<Run> {
  for (;;) {
    const run = await hub.runs.wait(admin, id, { seconds: 20 })
    if (run.status !== 'queued' && run.status !== 'running') return run
  }
}

async function logOf(id: string): Promise<RunEvent[]> {
  const { events } = await hub.runs.events(admin, id, { limit: 1_000 })
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1))
  return events
}

const said = (events: RunEvent[]) =>
  events.map(({ type, delta }) => (type === 'TEXT_MESSAGE_CONTENT' ? String(delta) : '')).join('')

async function untilSaid(id: string, text: string): Promise<void> {
  for await (const _ of hub.runs.watch(admin, id)) if (said(await logOf(id)).includes(text)) return
}

test.each(names)('a run of an agent that answers by %s ends with its words, told once', async (name) => {
  const { id } = await start(name, 'say:one%20 sleep:30 say:two%20 sleep:30 say:three')
  const run = await finished(id)
  expect(run).toMatchObject({ status: 'succeeded', output: 'one two three', error: null })
  expect(said(await logOf(id))).toBe('one two three')
  expect(agents[name].starts(id)).toBe(1)
})

test.each(names)('what an agent that answers by %s fails with is the reason of the run', async (name) => {
  const run = await finished((await start(name, 'fail:no%20luck')).id)
  expect(run).toMatchObject({ status: 'failed', error: { code: 'runtime_failed', message: 'no luck' } })
})

test.each(names)('a refusal of an agent that answers by %s fails the run at once', async (name) => {
  const run = await finished((await start(name, 'status:422')).id)
  expect(run).toMatchObject({
    status: 'failed',
    error: { code: 'runtime_rejected', message: expect.stringContaining('told to refuse') },
  })
})

test.each(names)('a stop reaches an agent that answers by %s', async (name) => {
  const { id } = await start(name, 'sleep:60000')
  await expect.poll(() => agents[name].status(id), { timeout: 10_000 }).toBe('running')
  await hub.runs.stop(admin, id)
  expect((await finished(id)).status).toBe('cancelled')
  await expect.poll(() => agents[name].status(id), { timeout: 10_000 }).toBe('cancelled')
})

test('a durable stream that breaks again and again is told once and whole', async () => {
  const { id } = await start(
    'durable',
    'say:one%20 sleep:40 cut say:two%20 sleep:40 cut tool:read say:three%20 cut sleep:40 say:four',
  )
  expect(await finished(id)).toMatchObject({ status: 'succeeded', output: 'one two three four' })
  const events = await logOf(id)
  expect(said(events)).toBe('one two three four')
  expect(events.filter(({ type }) => type === 'TOOL_CALL_START')).toHaveLength(1)
})

test('a connection that is the run and breaks leaves the outcome unknown, and the prompt is not sent again', async () => {
  const { id } = await start('stream', 'say:half sleep:50 cut')
  expect(await finished(id)).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' } })
  expect(said(await logOf(id))).toBe('half')
  expect(agents.stream.starts(id)).toBe(1)
})

test('a 500 after the start is settled by asking the durable agent', async () => {
  const { id } = await start('durable', 'status:500 sleep:50 say:done')
  expect(await finished(id)).toMatchObject({ status: 'succeeded', output: 'done' })
  expect(agents.durable.starts(id)).toBe(1)
})

test('a permission is decided by a person, and the decision reaches the agent', async () => {
  const { id } = await start('durable', 'say:so%20 ask:permission')
  await expect.poll(async () => (await hub.runs.get(admin, id)).status, { timeout: 10_000 }).toBe('awaiting_input')
  const { pending } = await hub.runs.get(admin, id)
  expect(pending).toMatchObject([{ kind: 'permission', tool: 'bash', arguments: { command: 'ls' } }])
  await hub.approvals.decide(admin, pending[0]?.id ?? '', { option_id: 'yes' })
  expect(await finished(id)).toMatchObject({ status: 'succeeded', output: 'so allowed' })
})

test.each(['durable', 'async'] as const)(
  'a run of an agent that answers by %s goes on over a restart of the hub',
  { timeout: 60_000 },
  async (name) => {
    const { id } = await start(name, 'say:before%20 sleep:1500 say:after')
    await untilSaid(id, 'before')
    await hub.close()
    await openHub()
    expect(await finished(id)).toMatchObject({ status: 'succeeded', output: 'before after' })
    expect(said(await logOf(id))).toBe('before after')
    expect(agents[name].starts(id)).toBe(1)
  },
)

test('a runtime cannot tell about the runs of another', async () => {
  const { id } = await start('durable', 'sleep:300 say:mine')
  const body = JSON.stringify({ run_id: id, events: [{ seq: 1, type: 'finished', status: 'failed' }] })
  const at = new Date()
  const headers = {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': new Webhook(secret).sign('msg_1', at, body),
  }
  const runtime = await hub.runtimes.get(admin, 'async')
  const answer = await fetch(`${door.url}/api/v1/runtimes/${runtime.id}/callback`, { method: 'POST', headers, body })
  expect(answer.status).toBe(404)
  expect(await finished(id)).toMatchObject({ status: 'succeeded', output: 'mine' })
})
