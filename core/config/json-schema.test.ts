import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { parseConfig } from './config.ts'
import { configJsonSchema } from './json-schema.ts'

const kinds = [
  { kind: 'rover', title: 'Rover', settings: z.strictObject({}) },
  { kind: 'orbiter', settings: z.strictObject({ url: z.string(), retries: z.number().int().default(3) }) },
]
const schema = configJsonSchema(kinds)
const validate = new Ajv({ strict: true, allErrors: true }).compile(schema)

/** Paths at which a validator of JSON Schema finds fault, and what the hub itself says. */
function check(config: unknown) {
  validate(config)
  return {
    editor: validate.errors?.map(({ instancePath }) => instancePath) ?? [],
    hub: parseConfig(JSON.stringify(config), { kinds }).problems.map(({ path }) => path),
  }
}

test('it is draft-07 with an id, and every key of every object is described or named by its type', () => {
  expect(schema).toMatchObject({
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: expect.any(String),
    title: 'signalbox.yaml',
  })
})

test('it says what the hub says of what is right', () => {
  const config = {
    version: 1,
    teams: { core: {} },
    runtimes: { far: { kind: 'orbiter', settings: { url: 'x' } }, near: { kind: 'rover' } },
    agents: { a: { runtime: { any: ['far'] }, env: { A: 'x', B: { secret: 'env:B' } } }, b: {} },
    schedules: { s: { agent: 'a', cron: '0 9 * * *', prompt: 'x', owner: 'ada' } },
    limits: { defaults: { turns: 3 }, file_bytes: 1 },
  }
  expect(check(config)).toEqual({ editor: [], hub: [] })
})

describe('it says what the hub says of what is wrong', () => {
  test.each([
    [{ agnts: {} }, 'agnts'],
    [{ version: 2 }, 'version'],
    [{ agents: { 'Bad Name': {} } }, 'agents.Bad Name'],
    [{ agents: { a: { limits: { turns: 0 } } } }, 'agents.a.limits.turns'],
    [{ agents: { a: { permissions: { bash: 'maybe' } } } }, 'agents.a.permissions.bash'],
    [{ agents: { a: { env: { A: { secret: 'plain' } } } } }, 'agents.a.env.A.secret'],
    [{ runtimes: { x: {} } }, 'runtimes.x.kind'],
    [{ runtimes: { x: { kind: 'venus' } } }, 'runtimes.x.kind'],
    [{ runtimes: { x: { kind: 'orbiter', settings: {} } } }, 'runtimes.x.settings.url'],
    [{ runtimes: { x: { kind: 'rover', settings: { url: 'x' } } } }, 'runtimes.x.settings.url'],
    [{ limits: { file_bytes: 1.5 } }, 'limits.file_bytes'],
  ])('%j', (config, path) => {
    const { editor, hub } = check(config)
    expect(hub).toEqual([path])
    expect(editor).not.toEqual([])
  })
})
