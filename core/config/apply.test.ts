import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestCore, type TestCore } from '../../test/core.ts'

let hub: TestCore
beforeAll(async () => {
  hub = await openTestCore({ worker: false })
})
afterAll(() => hub.close())

const team = `teams:
  data: {description: The data team, members: [ada]}
`
const agents = `agents:
  analyst: {runtime: scripted, instructions: Count., team: data}
  helper: {runtime: scripted}
`
const schedules = `schedules:
  nightly: {agent: analyst, cron: "0 3 * * *", prompt: count}
`
const names = async () =>
  (await hub.core.agents.list(hub.admin)).data.map(({ name, managed_by }) => `${name}:${managed_by}`)

describe('apply', () => {
  test('shows what it would do, then does it, and the second time nothing', async () => {
    const { core, admin } = hub
    const plan = await core.config.plan(admin, team + agents + schedules)
    expect(plan.pending).toBe(true)
    expect(plan.changes.filter(({ action }) => action === 'create').map(({ kind, name }) => `${kind} ${name}`)).toEqual(
      ['team data', 'agent analyst', 'agent helper', 'schedule nightly'],
    )
    expect(await names()).toEqual(['echo:api'])
    await core.config.apply(admin, team + agents + schedules)
    expect(await names()).toEqual(['analyst:config', 'echo:api', 'helper:config'])
    expect(await core.schedules.get(admin, 'nightly')).toMatchObject({
      agent: 'analyst',
      owner: 'admin',
      managed_by: 'config',
    })
    expect((await core.config.apply(admin, team + agents + schedules)).pending).toBe(false)
    expect((await core.agents.get(admin, 'analyst')).version).toBe(1)
  })

  test('changes what changed and deletes what left the file, and nothing else', async () => {
    const { core, admin } = hub
    const next = `${team}agents:
  analyst: {runtime: scripted, instructions: Count twice., team: data}
`
    const plan = await core.config.apply(admin, next)
    expect(
      plan.changes
        .filter(({ action }) => action !== 'keep')
        .map(({ action, kind, name }) => `${action} ${kind} ${name}`),
    ).toEqual(['update agent analyst', 'delete schedule nightly', 'delete agent helper'])
    expect(await names()).toEqual(['analyst:config', 'echo:api'])
    expect((await core.agents.get(admin, 'analyst')).version).toBe(2)
  })

  test('refuses edits by other ways to what the file declares, with the remedy', async () => {
    const { core, admin } = hub
    await expect(core.agents.update(admin, 'analyst', { instructions: 'mine' })).rejects.toMatchObject({
      code: 'managed_by_config',
      hint: expect.stringContaining('signalbox apply'),
    })
    await expect(core.agents.remove(admin, 'analyst')).rejects.toMatchObject({ code: 'managed_by_config' })
  })

  test('names every problem with its line, and changes nothing', async () => {
    const { core, admin } = hub
    const broken = `agents:
  analyst: {runtime: scripted, instructions: Changed.}
  echo: {runtime: scripted}
  lost: {runtime: nowhere, colour: red}
schedules:
  never: {agent: nobody, cron: "99 * * * *", prompt: x}
`
    const problems = await core.config.validate(admin, broken)
    expect(problems.map(({ line }) => line)).toEqual(expect.arrayContaining([4, 6]))
    expect(problems.length).toBeGreaterThanOrEqual(4)
    await expect(core.config.apply(admin, broken)).rejects.toMatchObject({ code: 'invalid_config', details: problems })
    expect((await core.agents.get(admin, 'analyst')).instructions).toBe('Count twice.')
    const taken = await core.config.validate(admin, 'agents:\n  echo: {runtime: scripted}\n')
    expect(taken).toMatchObject([{ line: 2 }])
  })

  test('finds what only the runtime knows: that it cannot do what the agent asks', async () => {
    const { core, admin } = hub
    const cannot = 'agents:\n  skilled: {runtime: scripted, skills: [pdf]}\n'
    const [problem] = await core.config.validate(admin, cannot)
    expect(problem).toMatchObject({ line: 2, message: expect.stringMatching(/skilled.*skills/) })
    await expect(core.config.apply(admin, cannot)).rejects.toMatchObject({ code: 'invalid_config' })
  })

  test('takes over a built-in runtime, and gives it back', async () => {
    const { core, admin } = hub
    await core.config.apply(admin, 'runtimes:\n  scripted: {kind: scripted, concurrency: 3}\n')
    expect(await core.runtimes.get(admin, 'scripted')).toMatchObject({ managed_by: 'config', concurrency: 3 })
    await core.config.apply(admin, 'agents: {}\n')
    expect(await core.runtimes.get(admin, 'scripted')).toMatchObject({ managed_by: 'hub' })
    expect((await core.runtimes.get(admin, 'scripted')).concurrency).toBeUndefined()
  })

  test('sets limits of the hub', async () => {
    const { core, admin } = hub
    await core.config.apply(admin, 'limits: {file_bytes: 10}\n')
    await expect(
      core.files.create(admin, {
        name: 'a.txt',
        media_type: 'text/plain',
        content: Buffer.from('more than ten bytes'),
      }),
    ).rejects.toMatchObject({ code: 'file_too_large' })
    await core.config.apply(admin, 'limits: {}\n')
    expect(
      await core.files.create(admin, {
        name: '../../etc/a.txt',
        media_type: 'text/plain',
        content: Buffer.from('more than ten bytes'),
      }),
    ).toMatchObject({ name: 'a.txt', bytes: 19 })
  })
})
