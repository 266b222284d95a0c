import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type CliHub, openCliHub, startCli } from '../test/cli.ts'
import { freePort } from '../test/free-port.ts'
import { lockDataFolder } from './data-folder-lock.ts'
import type { Finding } from './doctor-checks.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-doctor-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function doctor(
  env: Record<string, string> = {},
  cwd = folder,
): Promise<{ code: number | null; of: (name: string) => Finding[] }> {
  const { code, stdout } = await startCli(['doctor', '--json'], { cwd, env }).ended
  const { findings }: { findings: Finding[] } = JSON.parse(stdout)
  for (const { status, remedy } of findings) if (status !== 'ok') expect(remedy).toMatch(/\w/)
  return { code, of: (name) => findings.filter((finding) => finding.name === name) }
}

test('on a bare machine nothing is wrong, and it says what a start would do', async () => {
  const { code, of } = await doctor({ PORT: String(await freePort()) })
  expect(code).toBe(0)
  expect(of('model')).toMatchObject([{ status: 'note', message: expect.stringContaining('demo') }])
  expect(of('hub')).toMatchObject([{ status: 'note' }])
  expect(of('port')).toMatchObject([{ status: 'ok' }])
})

describe('each problem has its remedy and makes the exit code 1', () => {
  test('settings that are wrong', async () => {
    const { code, of } = await doctor({ PORT: 'x', HOST: 'a b' })
    expect({ code, settings: of('settings') }).toMatchObject({
      code: 1,
      settings: [{ status: 'problem' }, { status: 'problem' }],
    })
  })

  test('a data folder and a master key that others may read', async () => {
    mkdirSync(join(folder, '.signalbox'))
    chmodSync(join(folder, '.signalbox'), 0o755)
    writeFileSync(join(folder, '.signalbox', 'master.key'), 'x', { mode: 0o644 })
    const { code, of } = await doctor({ PORT: '0' })
    expect({ code, folder: of('data folder'), key: of('master key') }).toMatchObject({
      code: 1,
      folder: [{ status: 'problem', remedy: expect.stringMatching(/^chmod 700 /) }],
      key: [{ status: 'problem', remedy: expect.stringMatching(/^chmod 600 /) }],
    })
  })

  test('a data folder that a hub which does not answer holds', async () => {
    mkdirSync(join(folder, '.signalbox'), { mode: 0o700 })
    const unlock = await lockDataFolder(join(folder, '.signalbox'))
    const { code, of } = await doctor({ PORT: '0' })
    unlock()
    expect({ code, lock: of('lock') }).toMatchObject({ code: 1, lock: [{ status: 'problem' }] })
  })

  test('a port that is taken', async () => {
    const port = await freePort()
    const server = createServer().listen(port, '127.0.0.1')
    const { code, of } = await doctor({ PORT: String(port) })
    server.close()
    expect({ code, port: of('port') }).toMatchObject({
      code: 1,
      port: [{ status: 'problem', remedy: expect.stringContaining('PORT') }],
    })
  })

  test('a model of a provider that is not configured', async () => {
    const { code, of } = await doctor({ PORT: '0', SIGNALBOX_MODEL: 'anthropic/claude' })
    expect({ code, model: of('model') }).toMatchObject({
      code: 1,
      model: [{ status: 'problem', remedy: expect.stringContaining('ANTHROPIC_API_KEY') }],
    })
  })
})

describe('with a hub', () => {
  let hub: CliHub
  beforeAll(async () => {
    hub = await openCliHub()
  })
  afterAll(() => hub.close())

  test('it asks the hub, its database and each of its runtimes', async () => {
    const { code, of } = await doctor({}, hub.folder)
    expect(code).toBe(0)
    for (const name of ['hub', 'token', 'database', 'runtime scripted'])
      expect(of(name)).toMatchObject([{ status: 'ok' }])
  })

  test('a token that the hub does not know is a problem', async () => {
    const { code, of } = await doctor({ SIGNALBOX_TOKEN: 'wrong' }, hub.folder)
    expect(code).toBe(1)
    expect(of('hub').at(-1)).toMatchObject({ status: 'problem' })
  })

  test('for people it is a line each, the remedy below', async () => {
    const { code, stdout } = await hub.cli(['doctor'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^✓ node .*\n/)
    expect(stdout).toMatch(/! model .*\n +→ Set ANTHROPIC_API_KEY/)
    expect(stdout).toMatch(/\nNothing is wrong\.\n$/)
  })
})
