import { describe, expect, test } from 'vitest'
import { RuntimeDefinition } from '../shapes.ts'
import { type Config, parseConfig } from './config.ts'
import { type Current, planChanges } from './plan.ts'

const read = (yaml: string): Config => {
  const { config, problems } = parseConfig(yaml)
  expect(problems).toEqual([])
  return config!
}

const YAML = `
teams: { core: { members: [ada] } }
runtimes: { far: { kind: orbiter, team: core } }
agents: { one: { runtime: far, limits: { seconds: 5 }, env: { A: x } }, two: { runtime: { any: [far] } } }
schedules: { daily: { agent: one, cron: "0 9 * * *", prompt: go, owner: ada } }
limits: { file_bytes: 1000 }
`
const empty: Current = { teams: [], runtimes: [], agents: [], schedules: [], limits: {} }

/** What there is after a configuration was applied. */
function applied(config: Config, managedBy: 'config' | 'api' = 'config'): Current {
  const existing = <T>(section: Record<string, T>) =>
    Object.entries(section).map(([name, definition]) => ({ name, managedBy, definition }))
  const schedules = existing(config.schedules).map((schedule) => {
    const definition = { ...schedule.definition }
    delete definition.owner
    return { ...schedule, definition }
  })
  return {
    teams: existing(config.teams),
    runtimes: existing(config.runtimes),
    agents: existing(config.agents),
    schedules,
    limits: config.limits,
  }
}

const steps = ({ operations }: ReturnType<typeof planChanges>) =>
  operations.map(({ op, kind, name }) => `${op} ${kind} ${name}`)
const changed = ({ changes }: ReturnType<typeof planChanges>) =>
  changes
    .filter(({ action }) => action !== 'keep')
    .map(({ action, kind, name, fields }) => `${action} ${kind} ${name}${fields.map((field) => ` ${field}`).join('')}`)

test('on an empty hub all is created, what is named before what names it', () => {
  const planned = planChanges(read(YAML), empty)
  expect(planned).toMatchObject({ pending: true, problems: [] })
  expect(steps(planned)).toEqual([
    'update limits limits',
    'create team core',
    'create runtime far',
    'create agent one',
    'create agent two',
    'create schedule daily',
  ])
  expect(planned.operations.at(-1)).toMatchObject({ owner: 'ada', definition: { agent: 'one', timezone: 'UTC' } })
  expect(planned.operations.at(-1)!.definition).not.toHaveProperty('owner')
})

test('the same file again changes nothing, whatever the order of keys', () => {
  const current = applied(read(YAML))
  const reversed = JSON.parse(JSON.stringify(current), (_, value) =>
    value && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).reverse())
      : value,
  ) as Current
  const planned = planChanges(read(YAML), reversed)
  expect(planned).toMatchObject({ pending: false, operations: [], problems: [] })
  expect(planned.changes.map(({ action }) => action)).toEqual(Array(5).fill('keep'))
})

test('an update names the fields that differ, one level into maps', () => {
  const changedYaml = YAML.replace('seconds: 5', 'seconds: 6, turns: 2')
    .replace('A: x', 'B: y')
    .replace('members: [ada]', 'members: [ada, grace], description: d')
    .replace('1000', '2000')
  const planned = planChanges(read(changedYaml), applied(read(YAML)))
  expect(changed(planned)).toEqual([
    'update limits limits file_bytes',
    'update team core description members',
    'update agent one env.A env.B limits.seconds limits.turns',
  ])
  expect(planned.operations[2]).toMatchObject({ definition: { runtime: 'far', limits: { seconds: 6, turns: 2 } } })
})

test('what left the file is deleted after all else, users before what they use', () => {
  const planned = planChanges(read('agents: { new: {} }'), { ...applied(read(YAML)), limits: {} })
  expect(planned.problems).toEqual([])
  expect(steps(planned)).toEqual([
    'create agent new',
    'delete schedule daily',
    'delete agent two',
    'delete agent one',
    'delete runtime far',
    'delete team core',
  ])
})

describe('what the file does not own', () => {
  test('is not touched when the file does not name it', () => {
    const planned = planChanges(read('version: 1'), { ...applied(read(YAML), 'api'), limits: {} })
    expect(planned).toEqual({ changes: [], pending: false, operations: [], problems: [] })
  })

  test('is a problem under a name of the file, at its line', () => {
    const { config, locate } = parseConfig(YAML)
    const planned = planChanges(config!, applied(config!, 'api'), { locate })
    expect(planned.problems.map(({ line, column, path }) => `${line}:${column} ${path}`)).toEqual([
      '2:10 teams.core',
      '3:13 runtimes.far',
      '4:11 agents.one',
      '4:73 agents.two',
      '5:14 schedules.daily',
    ])
    expect(planned.problems[2]).toMatchObject({
      message: 'The agent "one" exists already and was not made by this file.',
      hint: 'Choose another name, or delete that agent first.',
    })
    expect(planned.operations).toEqual([])
  })

  test('holds up a delete of what it needs', () => {
    const current = applied(read(YAML))
    const others = current.agents.map((agent) =>
      agent.name === 'one' ? { ...agent, managedBy: 'api' as const } : agent,
    )
    const planned = planChanges(read('version: 1'), { ...current, agents: others })
    expect(planned.problems).toMatchObject([
      {
        message: 'The runtime "far" left the file, and agent "one" still needs it.',
        hint: 'Declare the runtime again, or change one first.',
      },
    ])
  })
})

test('an entry of the file that still names what left it is a problem at that entry', () => {
  const left = parseConfig(YAML.replace(/^runtimes.*$/m, ''))
  const planned = planChanges(left.config!, applied(read(YAML)), { locate: left.locate })
  expect(planned.problems).toMatchObject([
    { line: 4, path: 'agents.one', message: 'The runtime "far" left the file, and agent "one" still needs it.' },
    { line: 4, path: 'agents.two' },
  ])
})

test('a runtime cannot become one of another kind', () => {
  const planned = planChanges(read(YAML.replace('orbiter', 'rover')), applied(read(YAML)))
  expect(planned.problems).toMatchObject([
    { path: 'runtimes.far', message: 'The runtime "far" is of kind orbiter, which cannot become rover.' },
  ])
})

describe('a built-in runtime', () => {
  const builtIn = RuntimeDefinition.parse({ kind: 'rover' })
  const hub: Current = { ...empty, runtimes: [{ name: 'inline', managedBy: 'hub', definition: builtIn }] }
  const declaring = read('runtimes: { inline: { kind: rover, concurrency: 2 } }')

  test('is left alone, taken over when declared, and goes back when it leaves the file', () => {
    const options = { builtIns: { inline: builtIn } }
    expect(planChanges(read('version: 1'), hub, options).pending).toBe(false)
    expect(changed(planChanges(declaring, hub, options))).toEqual(['update runtime inline concurrency'])
    const back = planChanges(read('version: 1'), { ...applied(declaring), limits: {} }, options)
    expect(changed(back)).toEqual(['update runtime inline concurrency'])
    expect(back.operations).toMatchObject([{ op: 'update', definition: builtIn }])
  })
})
