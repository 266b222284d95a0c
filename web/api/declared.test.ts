import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Agent, Page, Version } from '../../core/index.ts'
import { openRest, type TestRest } from '../../test/rest.ts'

let rest: TestRest
beforeAll(async () => {
  rest = await openRest({ worker: false })
})
afterAll(async () => {
  await rest.close()
})

const agent = {
  name: 'reviewer',
  description: 'Reads code.',
  instructions: 'Be kind.',
  runtime: 'scripted',
  limits: { seconds: 60 },
}

test('a change makes a version; null removes a field; a version that is not the current one is refused', async () => {
  await rest.call('POST', '/agents', { body: agent })
  const patch = (body: Record<string, unknown>) => rest.call<Agent>('PATCH', '/agents/reviewer', { body })
  expect((await patch({ instructions: 'Be brief.', version: 1 })).body).toMatchObject({
    version: 2,
    instructions: 'Be brief.',
  })
  expect((await patch({ description: null })).body.description).toBeUndefined()
  expect((await patch({ instructions: 'x', version: 1 })).body).toMatchObject({ error: { code: 'version_conflict' } })
  expect((await patch({ limits: { seconds: 0 } })).status).toBe(400)
  const { data } = (await rest.call<Page<Version>>('GET', '/agents/reviewer/versions?limit=2')).body
  expect(data.map(({ version }) => version)).toEqual([3, 2])
})

test('by name or by id is the same; what was deleted is gone by name and keeps its history', async () => {
  const { body } = await rest.call<Agent>('POST', '/agents', { body: { ...agent, name: 'gone' } })
  expect((await rest.call<Agent>('GET', `/agents/${body.id}`)).body.name).toBe('gone')
  expect((await rest.call('DELETE', '/agents/gone')).status).toBe(204)
  expect((await rest.call('GET', '/agents/gone')).status).toBe(404)
  expect((await rest.call('GET', `/agents/${body.id}/versions`)).status).toBe(200)
})

test('the list has every agent once, by name, over pages', async () => {
  for (const name of ['zeta', 'alpha', 'mid', 'beta']) await rest.call('POST', '/agents', { body: { ...agent, name } })
  const names: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const path: string = `/agents?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`
    const { body }: { body: Page<Agent> } = await rest.call<Page<Agent>>('GET', path)
    names.push(...body.data.map(({ name }) => name))
    cursor = body.next_cursor
  }
  expect(names).toEqual([...names].sort())
  expect(new Set(names).size).toBe(names.length)
  expect(names).toEqual(expect.arrayContaining(['alpha', 'beta', 'mid', 'zeta', 'echo']))
})

test('what is in use cannot be deleted, and what it refers to must be there', async () => {
  expect(
    (await rest.call('POST', '/schedules', { body: { name: 's', agent: 'nobody', cron: '0 9 * * *', prompt: 'x' } }))
      .body,
  ).toMatchObject({
    error: { code: 'agent_not_found' },
  })
  expect(
    (await rest.call('POST', '/schedules', { body: { name: 's', agent: 'echo', cron: 'never', prompt: 'x' } })).status,
  ).toBe(400)
  await rest.call('POST', '/runtimes', { body: { name: 'busy', kind: 'scripted' } })
  await rest.call('POST', '/agents', { body: { ...agent, name: 'bound', runtime: 'busy' } })
  expect((await rest.call('DELETE', '/runtimes/busy')).body).toMatchObject({ error: { code: 'in_use' } })
})

test('a configuration is validated with lines, planned, and applied whole or not at all', async () => {
  const headers = { 'content-type': 'application/yaml' }
  const bad = 'agents:\n  one:\n    runtime: scripted\n  two:\n    runtime: nowhere\n    colour: red\n'
  type Problems = { problems: { line: number; message: string }[] }
  const { problems } = (await rest.call<Problems>('POST', '/config/validate', { raw: bad, headers })).body
  expect(problems.length).toBeGreaterThanOrEqual(2)
  expect(problems.every(({ line }) => line >= 4)).toBe(true)
  const refused = await rest.call<{ error: { details: unknown[] } }>('POST', '/config/apply', { body: { yaml: bad } })
  expect(refused).toMatchObject({ status: 422, body: { error: { code: 'invalid_config' } } })
  expect(refused.body.error.details).toEqual(problems)
  expect((await rest.call('GET', '/agents/one')).status).toBe(404)
  const good = 'agents:\n  one:\n    runtime: scripted\n'
  expect((await rest.call('POST', '/config/apply', { raw: good, headers })).status).toBe(200)
  expect((await rest.call<Agent>('GET', '/agents/one')).body.managed_by).toBe('config')
  expect((await rest.call('PATCH', '/agents/one', { body: { description: 'x' } })).body).toMatchObject({
    error: { code: 'managed_by_config' },
  })
})
