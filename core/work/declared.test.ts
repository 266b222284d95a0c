import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestCore, type TestCore } from '../../test/core.ts'

let hub: TestCore
beforeAll(async () => {
  hub = await openTestCore()
})
afterAll(() => hub.close())

describe('an agent', () => {
  test('gets a new immutable version with every change, and runs record theirs', async () => {
    const { core, admin } = hub
    await core.agents.create(admin, { name: 'writer', runtime: 'scripted', instructions: 'one' })
    const before = await core.runs.start(admin, { agent: 'writer', prompt: 'say:a' })
    const updated = await core.agents.update(admin, 'writer', { instructions: 'two', description: 'writes' })
    expect(updated).toMatchObject({ version: 2, instructions: 'two', description: 'writes' })
    expect(await core.agents.update(admin, 'writer', { instructions: 'two' })).toMatchObject({ version: 2 })
    const inSession = await core.sessions.send(admin, before.session_id, { prompt: 'say:b' })
    const anew = await core.runs.start(admin, { agent: 'writer', prompt: 'say:c' })
    expect([before.agent_version, inSession.agent_version, anew.agent_version]).toEqual([1, 1, 2])
    await core.sessions.update(admin, before.session_id)
    expect((await core.sessions.send(admin, before.session_id, { prompt: 'say:d' })).agent_version).toBe(2)
    const { data } = await core.agents.versions(admin, 'writer')
    expect(data.map(({ version, definition }) => [version, definition.instructions])).toEqual([
      [2, 'two'],
      [1, 'one'],
    ])
    expect((await core.agents.update(admin, 'writer', { description: null })).description).toBeUndefined()
  })

  test('is refused with every problem named, and nothing is made', async () => {
    const { core, admin } = hub
    await expect(core.agents.create(admin, { name: 'Bad Name', runtime: 'scripted' })).rejects.toMatchObject({
      code: 'invalid_request',
    })
    const wrong = { name: 'wrong', runtime: 'scripted', limits: { seconds: -1 }, colour: 'red' }
    await expect(core.agents.create(admin, wrong)).rejects.toMatchObject({
      code: 'invalid_request',
      details: [expect.anything(), expect.anything()],
    })
    await expect(core.agents.create(admin, { name: 'lost', runtime: 'nowhere' })).rejects.toMatchObject({
      code: 'runtime_not_found',
    })
    await expect(
      core.agents.create(admin, { name: 'team', runtime: 'scripted', team: 'nobody' }),
    ).rejects.toMatchObject({ code: 'team_not_found' })
    await expect(core.agents.create(admin, { name: 'skilled', runtime: 'scripted', skills: ['x'] })).rejects.toThrow(
      /skills/,
    )
    const secret = { name: 'secretive', runtime: 'scripted', env: { KEY: { secret: 'env:KEY' } } }
    await expect(core.agents.create(admin, secret)).rejects.toMatchObject({ code: 'runtime_cannot' })
    await expect(core.agents.create(admin, { name: 'echo', runtime: 'scripted' })).rejects.toMatchObject({
      code: 'name_taken',
    })
    const names = (await core.agents.list(admin, { limit: 200 })).data.map(({ name }) => name)
    for (const name of ['Bad Name', 'wrong', 'lost', 'team', 'skilled', 'secretive']) expect(names).not.toContain(name)
  })

  test('is changed only from the version that the caller saw, where they say so', async () => {
    const { core, admin } = hub
    await core.agents.create(admin, { name: 'contended', runtime: 'scripted' })
    await core.agents.update(admin, 'contended', { version: 1, instructions: 'mine' })
    await expect(core.agents.update(admin, 'contended', { version: 1, instructions: 'theirs' })).rejects.toMatchObject({
      code: 'version_conflict',
    })
  })

  test('that is gone frees its name and keeps its history', async () => {
    const { core, admin } = hub
    const first = await core.agents.create(admin, { name: 'passing', runtime: 'scripted' })
    const run = await core.runs.start(admin, { agent: 'passing', prompt: 'say:x' })
    await core.runs.wait(admin, run.id, { seconds: 20 })
    await core.agents.remove(admin, 'passing')
    await expect(core.agents.get(admin, 'passing')).rejects.toMatchObject({ code: 'agent_not_found' })
    expect(await core.runs.get(admin, run.id)).toMatchObject({ agent: 'passing', status: 'succeeded' })
    await expect(core.sessions.send(admin, run.session_id, { prompt: 'more' })).rejects.toMatchObject({
      code: 'agent_archived',
    })
    const second = await core.agents.create(admin, { name: 'passing', runtime: 'scripted' })
    expect(second.id).not.toBe(first.id)
  })

  test('at work is not deleted', async () => {
    const { core, admin } = hub
    await core.agents.create(admin, { name: 'working', runtime: 'scripted' })
    const run = await core.runs.start(admin, { agent: 'working', prompt: 'last' })
    await expect(core.agents.remove(admin, 'working')).rejects.toMatchObject({ code: 'in_use' })
    await core.runs.stop(admin, run.id)
  })
})

describe('a runtime', () => {
  test('in use is not deleted, and settings are checked with their kind', async () => {
    const { core, admin } = hub
    await core.runtimes.create(admin, { name: 'second', kind: 'scripted' })
    await core.agents.create(admin, { name: 'on-second', runtime: 'second' })
    await expect(core.runtimes.remove(admin, 'second')).rejects.toMatchObject({ code: 'in_use' })
    await expect(core.runtimes.create(admin, { name: 'bad', kind: 'nothing' })).rejects.toMatchObject({
      code: 'invalid_request',
    })
    await expect(
      core.runtimes.create(admin, { name: 'bad', kind: 'scripted', settings: { colour: 1 } }),
    ).rejects.toMatchObject({ code: 'invalid_request' })
    await core.agents.remove(admin, 'on-second')
    await core.runtimes.remove(admin, 'second')
    expect(await core.runtimes.check(admin, 'scripted')).toMatchObject({ status: 'ok' })
  })

  test('is chosen by selector, in order of preference', async () => {
    const { core, admin } = hub
    await core.runtimes.create(admin, { name: 'fast', kind: 'scripted', labels: { speed: 'high' } })
    await core.agents.create(admin, { name: 'picky', runtime: { any: ['missing', 'fast', 'scripted'] } })
    expect((await core.runs.start(admin, { agent: 'picky', prompt: 'say:x' })).runtime).toBe('fast')
    await core.agents.create(admin, { name: 'labelled', runtime: { labels: { speed: 'high' } } })
    expect((await core.runs.start(admin, { agent: 'labelled', prompt: 'say:x' })).runtime).toBe('fast')
  })
})

describe('lists', () => {
  test('are paged without gap or repeat', async () => {
    const { core, admin } = hub
    const runs = []
    for (let i = 0; i < 7; i++) runs.push(await core.runs.start(admin, { agent: 'echo', prompt: `say:${i}` }))
    const seen: string[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await core.runs.list(admin, { agent: 'echo', limit: 3, ...(cursor === undefined ? {} : { cursor }) })
      seen.push(...page.data.map(({ id }) => id))
      if (page.next_cursor === null) break
      cursor = page.next_cursor
    }
    expect(seen).toEqual([...seen].sort().reverse())
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).toEqual(expect.arrayContaining(runs.map(({ id }) => id)))
    await expect(core.runs.list(admin, { cursor: '!!' })).rejects.toMatchObject({ code: 'invalid_cursor' })
    const names: string[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await core.agents.list(admin, { limit: 2, ...(cursor === undefined ? {} : { cursor }) })
      names.push(...page.data.map(({ name }) => name))
      if (page.next_cursor === null) break
      cursor = page.next_cursor
    }
    expect(names).toEqual([...names].sort())
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('secrets', () => {
  test('in prompts, answers, tools and errors are not stored', async () => {
    const { core, admin } = hub
    const canary = `ghp_${'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'}`
    for (const prompt of [`say:token_is_${canary}`, `tool:${canary}`, `fail:${canary}`, `look at ${canary} please`]) {
      const run = await core.runs.start(admin, { agent: 'echo', prompt })
      const done = await core.runs.wait(admin, run.id, { seconds: 20 })
      const { events } = await core.runs.events(admin, run.id, { limit: 1000 })
      expect(JSON.stringify([done, events])).not.toContain(canary.slice(4, 20))
      expect(JSON.stringify(done)).toContain('[REDACTED:')
    }
  })
})

describe('tokens', () => {
  test('are shown once, told by prefix, and dead at once when revoked', async () => {
    const { core, admin } = hub
    const made = await core.tokens.create(admin, { name: 'ci', expires_in_days: 1 })
    expect(made.token).toMatch(/^sbx_[0-9a-z]{8}_[\w-]{43}$/)
    const listed = (await core.tokens.list(admin)).find(({ id }) => id === made.id)
    expect(listed).toMatchObject({ name: 'ci', prefix: made.token.slice(0, 12) })
    expect(JSON.stringify(listed)).not.toContain(made.token)
    expect(await core.authenticate(made.token, 'rest')).toMatchObject({ name: 'admin', admin: true, surface: 'rest' })
    await core.tokens.revoke(admin, made.id)
    await expect(core.authenticate(made.token, 'rest')).rejects.toMatchObject({ code: 'unauthenticated' })
    for (const wrong of [null, '', 'sbx_', made.token.slice(0, -1), `${made.token}x`]) {
      await expect(core.authenticate(wrong, 'rest')).rejects.toMatchObject({ code: 'unauthenticated' })
    }
  })
})
