import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type ConfigContext, parseConfig } from './config.ts'

// Put together, so that no scanner takes this file for a leak.
const githubToken = ['gh', 'p_', 'abcdefghijABCDEFGHIJ0123456789abcdef'].join('')

const kinds = [
  { kind: 'rover', builtIn: 'inline', settings: z.strictObject({}) },
  {
    kind: 'orbiter',
    settings: z.strictObject({
      url: z.string().describe('Where it listens.'),
      mode: z.enum(['sync', 'stream']).default('sync'),
    }),
  },
]
const context: ConfigContext = { kinds, existing: { runtimes: ['lab'], agents: ['oldtimer'], teams: [] } }

/** `line:column path` of each problem, in order. */
const places = (yaml: string) =>
  parseConfig(yaml, context).problems.map(({ line, column, path }) => `${line}:${column} ${path}`)
/** The only problem. */
function problem(yaml: string) {
  const { config, problems } = parseConfig(yaml, context)
  expect(config).toBeNull()
  expect(problems).toHaveLength(1)
  return problems[0]!
}

describe('what is right', () => {
  test('a whole file comes out with its defaults', () => {
    const { config, problems } = parseConfig(
      `
version: 1
teams:
  core: { members: [ada] }
  night:
runtimes:
  far: { kind: orbiter, settings: { url: "http://127.0.0.1:9000" }, concurrency: 2, team: core }
agents:
  one: { runtime: far, team: core, limits: { seconds: 5 }, env: { MODE: quiet } }
  two: { runtime: { any: [far, inline, lab], kind: orbiter } }
  three: {}
schedules:
  daily: { agent: one, cron: "0 9 * * *", prompt: go, owner: ada }
  old: { agent: oldtimer, cron: "@daily", timezone: Europe/Berlin, prompt: go, misfire: all }
limits: { defaults: { seconds: 60 }, file_bytes: 1000, file_retention_days: 7, concurrency: 9 }
`,
      context,
    )
    expect(problems).toEqual([])
    expect(config).toMatchObject({
      teams: { core: { members: ['ada'] }, night: { members: [] } },
      runtimes: { far: { settings: { url: 'http://127.0.0.1:9000' }, labels: {} } },
      agents: { one: { limits: { seconds: 5 }, repeat_safe: false }, three: { runtime: 'inline', instructions: '' } },
      schedules: { daily: { owner: 'ada', timezone: 'UTC', misfire: 'once', overlap: 'skip', enabled: true } },
      limits: { defaults: { seconds: 60 }, file_bytes: 1000, file_retention_days: 7, concurrency: 9 },
    })
  })

  test('sections without entries, anchors, aliases and merge keys', () => {
    const yaml =
      'runtimes:\nlimits:\nagents:\n  a: &base\n    instructions: x\n    limits: { turns: 3 }\n  b:\n    <<: *base\n    instructions: y\n'
    const { config, problems } = parseConfig(yaml, context)
    expect(problems).toEqual([])
    expect(config?.agents.b).toMatchObject({ instructions: 'y', limits: { turns: 3 } })
  })

  test('without a hub, names that may exist there are left alone and slips are told', () => {
    const yaml =
      'agents: { reviewer: { runtime: somewhere, team: people } }\nschedules: { s: { agent: reviewr, cron: "0 9 * * *", prompt: x } }'
    expect(parseConfig(yaml).problems).toMatchObject([
      { line: 2, path: 'schedules.s.agent', hint: 'Did you mean "reviewer"?' },
    ])
  })
})

test('every problem of a file is told at once, at its line and column', () => {
  const yaml = `version: 2
agnts: {}
agents:
  Bad Name: {}
  a:
    runtime: 5
    env: { a-b: x, K: { secret: foo }, Z: 3 }
    limits: { seconds: 0, foo: 1, turns: 1.5 }
    instrucions: x
    permissions: { bash: maybe }
    skills: x
  b: { runtime: { any: [], kin: 1 } }
  c:
  d: { runtime: { kind: nowhere, any: [inline, nope] }, team: nobody }
  e:
    limits: {}
    limits: {}
runtimes:
  x: {}
  y: { kind: orbitr }
  z: { kind: orbiter, settings: { mode: snc } }
schedules:
  s: { agent: aa, cron: "0 9 * *", timezone: Europe/Berln, prompt: x, misfire: never }
limits: { file_bytes: 0 }
`
  expect(places(yaml)).toEqual([
    '1:10 version',
    '2:1 agnts',
    '4:3 agents.Bad Name',
    '6:14 agents.a.runtime',
    '7:12 agents.a.env.a-b',
    '7:33 agents.a.env.K.secret',
    '7:43 agents.a.env.Z',
    '8:24 agents.a.limits.seconds',
    '8:27 agents.a.limits.foo',
    '8:42 agents.a.limits.turns',
    '9:5 agents.a.instrucions',
    '10:26 agents.a.permissions.bash',
    '11:13 agents.a.skills',
    '12:24 agents.b.runtime.any',
    '12:28 agents.b.runtime.kin',
    '13:5 agents.c',
    '14:25 agents.d.runtime.kind',
    '14:48 agents.d.runtime.any.1',
    '14:63 agents.d.team',
    '17:5 ',
    '19:3 runtimes.x.kind',
    '20:14 runtimes.y.kind',
    '21:23 runtimes.z.settings.url',
    '21:41 runtimes.z.settings.mode',
    '23:15 schedules.s.agent',
    '23:25 schedules.s.cron',
    '23:46 schedules.s.timezone',
    '23:80 schedules.s.misfire',
    '24:23 limits.file_bytes',
  ])
  const { config, problems } = parseConfig(yaml, context)
  expect(config).toBeNull()
  for (const one of problems)
    expect(one).toMatchObject({ message: expect.stringMatching(/\.$/), hint: expect.stringMatching(/\S/) })
})

describe('what a problem says', () => {
  test.each([
    ['agents: { a: { instrucions: x } }', '"instrucions" is not a key of agents.a.', 'Did you mean "instructions"?'],
    ['agents: { a: { prompt: x } }', '"prompt" is not a key of agents.a.', 'Did you mean "instructions"?'],
    [
      'agents: { a: { colour: x } }',
      '"colour" is not a key of agents.a.',
      /^Keys here: description, instructions, model/,
    ],
    ['agents: { a: { model: 5 } }', '"model" must be text, not a number.', 'Put it in quotes: "5".'],
    ['agents: { a: { repeat_safe: "yes" } }', '"repeat_safe" must be true or false, not text.', /repeat|prompt/],
    ['agents: { a: { limits: { turns: "3" } } }', '"turns" must be a number, not text.', 'Remove the quotes.'],
    ['agents: { a: { limits: { turns: 0 } } }', '"turns" must be at least 1.', 'Model calls in one run.'],
    ['agents: { a: { skills: review } }', '"skills" must be a list, not text.', 'Put it in brackets: [...].'],
    ['agents: { a: { permissions: { bash: alow } } }', '"bash" must be allow or ask or deny.', 'Did you mean "allow"?'],
    [
      'agents: { a: { description: } }',
      '"description" must be text, not empty.',
      'Give it a value, or remove the key.',
    ],
    ['agents: { a: { runtime: { any: [lba] } } }', 'There is no runtime "lba".', 'Did you mean "lab"?'],
    ['agents: { a: { runtime: elsewhere } }', 'There is no runtime "elsewhere".', 'There is: lab, inline.'],
    ['agents: { a: { team: core } }', 'There is no team "core".', 'Declare it under `teams`.'],
    ['runtimes: { x: { kind: orbiter } }', '"url" is missing in runtimes.x.settings.', 'Where it listens.'],
    ['agents: [a, b]', '"agents" must be a map (key: value), not a list.', /asked to work/],
    ['- a', 'The file must be a map (key: value), not a list.', /docs/],
    [
      'schedules: { s: { agent: oldtimer, cron: "61 * * * *", prompt: x } }',
      'cron "61 * * * *": 61 is not a minute.',
      /9:00 from Monday to Friday/,
    ],
    [
      'schedules: { s: { agent: oldtimer, cron: "0 0 30W 2 *", prompt: x } }',
      'cron "0 0 30W 2 *" never fires.',
      /Minute, hour/,
    ],
  ])('%s', (yaml, message, hint) => {
    expect(problem(yaml)).toMatchObject({
      message,
      hint: typeof hint === 'string' ? hint : expect.stringMatching(hint),
    })
  })

  test.each([
    ['', 'The file is empty.', 1, 1],
    ['# nothing\n', 'The file is empty.', 1, 1],
    ['agents:\n\ta: {}', 'A tab indents this line.', 2, 1],
    ['agents: { a: {} }\n---\nagents: {}', 'A second document begins here.', 2, 1],
    ['agents: { a: { instructions: *x } }', 'The alias *x has no anchor before it.', 1, 30],
    ['agents:\n  a: {}\n  a: {}', 'The key "a" is there twice.', 3, 3],
    ['agents:\n  a: { instructions: "x }', 'Not valid YAML: Missing closing "quote.', 2, 26],
    ['agents: &a { x: *a }', 'Its aliases (`*name`) stand for too much.', 1, 1],
    ['agents: { a: { description: see: this } }', /./, 1, expect.any(Number)],
  ])('%j', (yaml, message, line, column) => {
    const [first] = parseConfig(yaml, context).problems
    expect(first).toMatchObject({
      message: typeof message === 'string' ? message : expect.stringMatching(message),
      line,
      column,
    })
  })

  test('aliases that multiply and files that are too large are refused without being read', () => {
    const bomb = `${['a: &a [x, x, x, x, x, x, x, x]', ...'bcdefgh'.split('').map((name, i) => `${name}: &${name} [${Array(8).fill(`*${'abcdefgh'[i]}`).join()}]`)].join('\n')}\n`
    expect(parseConfig(bomb, context).problems[0]?.message).toBe('Its aliases (`*name`) stand for too much.')
    expect(parseConfig(`# ${'x'.repeat(1024 * 1024)}`, context).problems[0]?.message).toBe(
      'The file is larger than 1 MiB.',
    )
  })
})

test('text that cannot be kept is told with its place', () => {
  expect(problem('agents:\n  a: { instructions: "go\\0" }')).toMatchObject({
    line: 2,
    path: 'agents.a.instructions',
    message: '"instructions" holds NUL (U+0000) or half of a surrogate pair.',
  })
  expect(places('schedules: { s: { agent: oldtimer, cron: "@daily", prompt: "go\\ud800" } }')).toEqual([
    '1:60 schedules.s.prompt',
  ])
})

describe('secrets in plain text', () => {
  test.each([
    [
      `agents: { a: { env: { GH: ${githubToken} } } }`,
      'agents.a.env.GH',
      'Put it into the environment of the hub and write {secret: env:GH} here.',
    ],
    [
      `runtimes: { r: { kind: orbiter, settings: { url: "http://u:hunter22pass@127.0.0.1" } } }`,
      'runtimes.r.settings.url',
      /secret: env:URL/,
    ],
    [`agents: { a: { instructions: "use ${githubToken}" } }`, 'agents.a.instructions', /make a new one/],
  ])('are told with what to write instead: %#', (yaml, path, hint) => {
    const found = problem(yaml)
    expect(found).toMatchObject({
      line: 1,
      path,
      message: expect.stringContaining('looks like a secret'),
      hint: typeof hint === 'string' ? hint : expect.stringMatching(hint),
    })
  })

  test('are in no problem, wherever they stand', () => {
    const yaml = `${githubToken}: 1\nagents:\n  ${githubToken}: {}\n  a: { runtime: ${githubToken}, ${githubToken}: 1, env: { A: { secret: ${githubToken} } } }\n`
    const { problems } = parseConfig(yaml, context)
    expect(problems.length).toBeGreaterThan(5)
    expect(JSON.stringify(problems)).not.toContain(githubToken)
  })

  test('references to secrets are no secrets', () => {
    expect(
      parseConfig(
        'agents: { a: { env: { A: { secret: env:GITHUB_TOKEN }, B: { secret: file:/run/secrets/b } } } }',
        context,
      ).problems,
    ).toEqual([])
  })
})
