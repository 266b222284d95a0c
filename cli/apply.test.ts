import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type CliHub, hasTerminal, openCliHub, startCliAtTerminal } from '../test/cli.ts'

let hub: CliHub
beforeAll(async () => {
  hub = await openCliHub()
})
afterAll(() => hub.close())

const right = `agents:
  first: { runtime: scripted, instructions: one }
  second: { runtime: scripted }
`
/** A mistake in the shape at line 2, and a runtime that is not there at line 4. */
const wrong = `agents:
  first: { runtime: scripted, instrutcions: one }
  second:
    runtime: nowhere
`
const write = (yaml: string): void => writeFileSync(join(hub.folder, 'signalbox.yaml'), yaml)
const agents = async (): Promise<string[]> => (await hub.core.agents.list(hub.admin)).data.map(({ name }) => name)

beforeEach(async () => {
  write('agents: {}\n')
  expect((await hub.cli(['apply', '--yes'])).code).toBe(0)
  expect(await agents()).toEqual(['echo'])
})

describe('apply', () => {
  test('a dry run shows the plan and changes nothing', async () => {
    write(right)
    const { code, stdout } = await hub.cli(['apply', '--dry-run'])
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/ {2}\+ agent first\n {2}\+ agent second\n2 to create, 0 to update, 0 to delete/),
    })
    expect(await agents()).toEqual(['echo'])
  })

  test('without a terminal it needs --yes, and nothing is applied without', async () => {
    write(right)
    expect(await hub.cli(['apply'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') })
    expect(await agents()).toEqual(['echo'])
    expect(await hub.cli(['apply', '--yes'])).toMatchObject({ code: 0, stdout: expect.stringContaining('✓ Applied.') })
    expect(await agents()).toEqual(['echo', 'first', 'second'])
    expect(await hub.cli(['apply'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('The hub matches signalbox.yaml'),
    })
  })

  test('what left the file is shown and deleted; what was made in other ways stays', async () => {
    write(right)
    await hub.cli(['apply', '--yes'])
    write('agents:\n  first: { runtime: scripted, instructions: two }\n')
    const { stdout } = await hub.cli(['apply', '--yes'])
    expect(stdout).toMatch(/ {2}~ agent first: instructions\n {2}- agent second\n/)
    expect(await agents()).toEqual(['echo', 'first'])
  })

  test('--json is the plan, with whether it was applied', async () => {
    write(right)
    const planned = JSON.parse((await hub.cli(['apply', '--dry-run', '--json'])).stdout)
    expect(planned).toMatchObject({ applied: false, pending: true })
    expect(JSON.parse((await hub.cli(['apply', '--yes', '--json'])).stdout)).toMatchObject({
      applied: true,
      changes: planned.changes,
    })
  })

  test('every problem at once, as a place to click, and nothing is applied', async () => {
    write(wrong)
    const { code, stderr } = await hub.cli(['apply', '--yes'])
    expect(code).toBe(2)
    expect(stderr).toMatch(/^signalbox\.yaml:2:\d+ agents\.first/m)
    expect(stderr).toMatch(/^signalbox\.yaml:4:\d+ agents\.second\.runtime/m)
    expect(stderr).toMatch(/✗ signalbox\.yaml has 2 problems; nothing was applied\./)
    expect(await agents()).toEqual(['echo'])
    const json = JSON.parse((await hub.cli(['apply', '--yes', '--json'])).stdout)
    expect(json.error).toMatchObject({ code: 'invalid_config', details: [{ line: 2 }, { line: 4 }] })
  })

  test('the file may be standard input, and a missing one is refused with a place to start from', async () => {
    expect(await hub.cli(['apply', '-f', '-', '--yes'], { input: right })).toMatchObject({ code: 0 })
    expect(await agents()).toEqual(['echo', 'first', 'second'])
    const { code, stderr } = await hub.cli(['apply', '-f', 'nowhere.yaml'])
    const [starter] = /\S+starter\/signalbox\.yaml/.exec(stderr) ?? []
    expect(code).toBe(2)
    expect(readFileSync(starter!, 'utf8')).toContain('welcome')
  })

  test.runIf(hasTerminal)('at a terminal it asks, and No changes nothing', async () => {
    write(right)
    const no = startCliAtTerminal(['apply'], { cwd: hub.folder })
    await no.shows(/Apply it\?/)
    no.child.stdin?.write('n')
    expect(await no.ended).toMatchObject({ code: 130, stdout: expect.stringContaining('Nothing was changed') })
    expect(await agents()).toEqual(['echo'])
    const yes = startCliAtTerminal(['apply'], { cwd: hub.folder })
    await yes.shows(/Apply it\?/)
    yes.child.stdin?.write('y')
    expect(await yes.ended).toMatchObject({ code: 0 })
    expect(await agents()).toEqual(['echo', 'first', 'second'])
  })
})

describe('validate', () => {
  const alone = { SIGNALBOX_DATA_DIR: '/nowhere' }

  test('with a hub: also what the file refers to there', async () => {
    write(right)
    expect(await hub.cli(['validate'])).toMatchObject({ code: 0, stdout: '✓ signalbox.yaml has no problems.\n' })
    write(wrong)
    const { code, stdout, stderr } = await hub.cli(['validate'])
    expect(code).toBe(2)
    expect(stdout).toMatch(/^signalbox\.yaml:2:\d+ .*\n {2}\S.*\nsignalbox\.yaml:4:\d+ /)
    expect(stderr).toContain('2 problems')
  })

  test('without a hub: all that the file alone can tell, and it says so', async () => {
    write(wrong)
    const { code, stdout } = await hub.cli(['validate', '--json'], { env: alone })
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({
      checked: 'file',
      problems: [{ line: 2, hint: expect.stringMatching(/instructions/) }],
    })
    write('agents:\n  first: { instructions: one }\n')
    expect(await hub.cli(['validate'], { env: alone })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('No hub is running here'),
    })
  })
})
