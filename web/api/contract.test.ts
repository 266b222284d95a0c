import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Run } from '../../core/index.ts'
import { openRest, type TestRest } from '../../test/rest.ts'

let rest: TestRest
beforeAll(async () => {
  rest = await openRest()
})
afterAll(async () => {
  await rest.close()
})

test('every route under /api/v1 is in the OpenAPI document, and nothing else is', () => {
  const routes = rest.app.routes
    .filter(({ method, path }) => method !== 'ALL' && /^\/(api\/v1\/|healthz|readyz)/.test(path))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
  const documented = Object.entries(rest.document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect([...new Set(routes)].sort()).toEqual(documented.sort())
})

test('every operation answers what the document says', async () => {
  const { call } = rest
  const id = (answer: { body: Record<string, unknown> }) => String(answer.body.id)

  expect((await call('GET', '/healthz', { token: null })).body).toEqual({ status: 'ok', version: rest.core.version })
  expect((await call('GET', '/readyz', { token: null })).status).toBe(200)
  expect((await call('GET', '/me')).body).toMatchObject({ name: 'admin', admin: true })

  const agent = await call('POST', '/agents', {
    body: { name: 'writer', runtime: 'scripted', limits: { seconds: 60 } },
  })
  expect(agent.status).toBe(201)
  await call('GET', '/agents')
  await call('GET', '/agents/writer')
  expect((await call('PATCH', '/agents/writer', { body: { description: 'writes', version: 1 } })).body.version).toBe(2)
  expect((await call('GET', '/agents/writer/versions')).body.data).toHaveLength(2)

  const done = await call<Run>('POST', '/runs', { body: { agent: 'writer', prompt: 'say:hello', wait_seconds: 20 } })
  expect(done).toMatchObject({ status: 201, body: { status: 'succeeded', output: 'hello', agent_version: 2 } })
  await call('GET', `/runs/${done.body.id}`)
  await call('GET', '/runs')
  await call('GET', `/runs/${done.body.id}/events`)
  await call('GET', `/runs/${done.body.id}/events/stream`)
  expect((await call('GET', `/runs/${done.body.id}/events/stream?after=${done.body.last_seq}`)).status).toBe(204)
  await call('GET', `/runs/${done.body.id}/artifacts`)

  const session = done.body.session_id
  await call('GET', '/sessions')
  await call('GET', `/sessions/${session}`)
  await call('POST', `/sessions/${session}/update`)
  const asked = await call<Run>('POST', `/sessions/${session}/messages`, {
    body: { prompt: 'permit:bash', wait_seconds: 20 },
  })
  expect(asked.body.status).toBe('awaiting_input')
  const approval = asked.body.pending[0]!.id
  await call('GET', '/approvals')
  await call('GET', `/approvals/${approval}`)
  const decided = await call('POST', `/approvals/${approval}/decision`, { body: { option_id: 'once', note: 'go on' } })
  expect(decided.body).toMatchObject({ status: 'decided', option_id: 'once', note: 'go on' })
  expect((await call<Run>('GET', `/runs/${asked.body.id}?wait_seconds=20`)).body.status).toBe('succeeded')

  const endless = await call<Run>('POST', '/runs', { body: { agent: 'writer', prompt: 'last' } })
  expect((await call('POST', `/runs/${endless.body.id}/stop`, { body: { reason: 'enough' } })).status).toBe(200)
  expect((await call<Run>('GET', `/runs/${endless.body.id}?wait_seconds=20`)).body.status).toBe('cancelled')

  await call('GET', '/runtimes/kinds')
  const runtime = await call('POST', '/runtimes', { body: { name: 'second', kind: 'scripted' } })
  expect(runtime.status).toBe(201)
  await call('GET', '/runtimes')
  await call('GET', `/runtimes/${id(runtime)}`)
  await call('PATCH', '/runtimes/second', { body: { concurrency: 3 } })
  await call('GET', '/runtimes/second/versions')
  expect((await call('POST', '/runtimes/second/check')).body.status).toBe('ok')
  expect((await call('POST', `/runtimes/${id(runtime)}/callback`, { token: null, body: {} })).status).toBe(422)
  expect((await call('DELETE', '/runtimes/second')).status).toBe(204)

  const daily = { name: 'daily', agent: 'writer', cron: '0 9 * * *', timezone: 'Europe/Berlin', prompt: 'say:morning' }
  expect((await call('POST', '/schedules', { body: daily })).body.next_runs).toHaveLength(5)
  await call('GET', '/schedules')
  await call('GET', '/schedules/daily')
  await call('PATCH', '/schedules/daily', { body: { enabled: false } })
  await call('GET', '/schedules/daily/versions')
  expect((await call('POST', '/schedules/daily/run')).status).toBe(201)
  await call('DELETE', '/schedules/daily')

  const form = new FormData()
  form.set('file', new File(['some notes'], 'notes.txt', { type: 'text/plain' }))
  const file = await call('POST', '/files', { raw: form })
  expect(file).toMatchObject({ status: 201, body: { name: 'notes.txt', bytes: 10 } })
  await call('GET', `/files/${id(file)}`)
  await call('GET', `/files/${id(file)}/content`)

  const token = await call('POST', '/tokens', { body: { name: 'ci', expires_in_days: 1 } })
  await call('GET', '/tokens')
  expect((await call('DELETE', `/tokens/${id(token)}`)).status).toBe(204)

  await call('GET', '/usage')
  await call('GET', '/usage?by=day&since=2026-01-01T00:00:00Z')

  const yaml = 'agents:\n  reader:\n    runtime: scripted\n'
  const headers = { 'content-type': 'application/yaml' }
  expect((await call('POST', '/config/validate', { raw: yaml, headers })).body).toEqual({ problems: [] })
  expect((await call('POST', '/config/plan', { raw: yaml, headers })).body.pending).toBe(true)
  expect((await call('POST', '/config/apply', { body: { yaml } })).status).toBe(200)

  expect((await call('DELETE', '/agents/writer')).status).toBe(204)

  const operations = Object.values(rest.document.paths).flatMap((methods) => Object.values(methods))
  const untried = operations.filter(({ operationId, responses }) => {
    const successes = Object.keys(responses).filter((status) => status.startsWith('2'))
    return !successes.some((status) => rest.seen.has(`${operationId} ${status}`))
  })
  // A callback succeeds for runtimes that take one, which the scripted one does not.
  expect(untried.map(({ operationId }) => operationId)).toEqual(['receiveRuntimeCallback'])
})

test('operations have ids of their own, and each says what may go wrong', () => {
  const operations = Object.entries(rest.document.paths).flatMap(([path, methods]) =>
    Object.values(methods).map((operation) => ({ path, ...operation })),
  )
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
  for (const { path, responses } of operations.filter(({ path }) => path.startsWith('/api/v1/'))) {
    expect(Object.keys(responses), path).toEqual(expect.arrayContaining(['401', '403', '500']))
  }
})
