import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Started, startCli } from '../test/cli.ts'
import { freePort } from '../test/free-port.ts'
import { readHubFile } from './data-folder.ts'
import { isAlive } from './data-folder-lock.ts'

/** A first start makes the database, which takes seconds of a whole core. */
const START_MS = 60_000
const SERVES = /The hub serves/

let folder: string
let port: number
const running: Started[] = []

let made: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-made-'))
  made = join(folder, '.signalbox')
  port = await freePort()
  const first = await servingHere()
  first.child.kill('SIGTERM')
  await first.ended
  // Not part of a database: which start this was.
  rmSync(join(made, 'placement'), { force: true })
}, 120_000)
afterAll(() => rmSync(dirname(made), { recursive: true, force: true }))

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-up-'))
  port = await freePort()
})
afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGINT')
    await ended
  }
  rmSync(folder, { recursive: true, force: true })
})

function up(args: string[] = ['--no-welcome'], env: Record<string, string> = {}): Started {
  const started = startCli(['up', ...args], { cwd: folder, env: { PORT: String(port), ...env } })
  running.push(started)
  return started
}
const dataDir = (): string => join(folder, '.signalbox')
const cli = (...args: string[]) => startCli(args, { cwd: folder }).ended
/** Up on a database that was made before, which spares the seconds that this takes. */
async function serving(...args: Parameters<typeof up>): Promise<Started> {
  if (!existsSync(dataDir())) cpSync(made, dataDir(), { recursive: true })
  return await servingHere(...args)
}
async function servingHere(...args: Parameters<typeof up>): Promise<Started> {
  const hub = up(...args)
  await hub.shows(SERVES, START_MS)
  return hub
}

/** The children of a process, theirs too. */
function descendantsOf(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        // The name of the program stands in parentheses and may hold anything; the parent is the second word after it.
        const [, parent] = readFileSync(`/proc/${name}/stat`, 'latin1')
          .replace(/^.*\) /s, '')
          .split(' ')
        return { id: Number(name), parent: Number(parent) }
      } catch {
        // Gone in the meantime.
        return { id: Number(name), parent: 0 }
      }
    })
  const childrenOf = (of: number): number[] =>
    parents.filter(({ parent }) => parent === of).flatMap(({ id }) => [id, ...childrenOf(id)])
  return childrenOf(pid)
}

describe('the first minute', () => {
  test('a real agent reads a real file, live; then everything ends with Ctrl-C', async () => {
    const hub = await servingHere([])
    const shown = hub.stdout() + hub.stderr()

    expect(shown).toContain(`http://127.0.0.1:${port}`)
    expect(shown).toMatch(/demo: offline, answers by fixed rules/)
    const [token] = /sbx_\S+/.exec(shown) ?? []
    expect(shown).toContain(
      `claude mcp add --transport http signalbox http://127.0.0.1:${port}/mcp --header "Authorization: Bearer ${token}"`,
    )
    for (const client of ['VS Code', 'Cursor', 'Claude Desktop']) expect(shown).toContain(client)
    expect(hub.stderr()).toMatch(/● welcome · inline · run_\w+/)
    expect(hub.stderr()).toContain('▸ read files/signalbox.yaml')
    expect(hub.stdout()).toMatch(/\[demo model\] I read files\/signalbox\.yaml[\s\S]*welcome[\s\S]*reviewer/)
    expect(hub.stderr()).toMatch(/✓ succeeded · .* tokens in/)

    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/agents`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(((await answer.json()) as { data: { name: string }[] }).data.map(({ name }) => name)).toEqual([
      'reviewer',
      'welcome',
    ])

    const children = descendantsOf(hub.child.pid!)
    expect(children).not.toEqual([])
    hub.child.kill('SIGINT')
    const { code, stdout } = await hub.ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/Stopping[\s\S]*waiting for the agents' processes[\s\S]*Stopped\./)
    // A process that was killed is listed until whoever inherited it has looked.
    await expect.poll(() => children.filter(isAlive), { timeout: 10_000 }).toEqual([])
    expect(existsSync(join(dataDir(), 'hub.json'))).toBe(false)
    expect(readFileSync(join(dataDir(), 'logs', 'hub.log'), 'utf8')).not.toContain('sbx_')

    const again = await servingHere([])
    expect(again.stdout() + again.stderr()).not.toMatch(/sbx_|The first run/)
  }, 120_000)

  test('Ctrl-C while it starts leaves a data folder that the next start can use', async () => {
    const first = up([])
    await first.shows(/Signalbox/)
    first.child.kill('SIGINT')
    expect(await first.ended).toMatchObject({ code: 0 })
    await servingHere()
  }, 120_000)
})

describe('one process a data folder', () => {
  test('a second one is refused and told who holds it; kill -9 frees it, and the next start serves', async () => {
    const first = await serving()
    const second = await startCli(['up', '--json'], { cwd: folder }).ended
    expect(second.code).toBe(6)
    expect(JSON.parse(second.stdout).error).toMatchObject({
      code: 'data_folder_in_use',
      message: expect.stringContaining(`process ${first.child.pid}, serving http://127.0.0.1:${port}`),
    })

    first.child.kill('SIGKILL')
    await first.ended
    expect(await cli('runs')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining(`its process ${first.child.pid} is gone`),
    })
    const old = readHubFile(dataDir())
    await serving()
    const now = readHubFile(dataDir())
    expect(now?.pid).not.toBe(old?.pid)
    expect(await cli('agents')).toMatchObject({ code: 0 })
    // The token of the hub that was killed is worth nothing any more.
    expect(await startCli(['agents'], { cwd: folder, env: { SIGNALBOX_TOKEN: old!.token } }).ended).toMatchObject({
      code: 4,
    })
  }, 120_000)
})

describe('the port', () => {
  test('a taken one that was asked for is an error, before anything else is made', async () => {
    const other = createServer().listen(port, '127.0.0.1')
    await once(other, 'listening')
    const { code, stderr } = await up().ended
    other.close()
    expect(code).toBe(6)
    expect(stderr).toMatch(
      new RegExp(`✗ Port ${port} on 127\\.0\\.0\\.1 is taken by another program\\.\n {2}.*unset PORT`),
    )
    expect(existsSync(join(dataDir(), 'database'))).toBe(false)
  })
})

describe('ending', () => {
  test('SIGTERM ends it like Ctrl-C', async () => {
    const hub = await serving()
    hub.child.kill('SIGTERM')
    expect(await hub.ended).toMatchObject({ code: 0 })
  }, 120_000)

  test('a second Ctrl-C ends it at once: exit code 130', async () => {
    const hub = await serving()
    // A stream that is open keeps a clean end waiting for it.
    await cli('apply', '-f', join(import.meta.dirname, 'starter', 'signalbox.yaml'), '--yes')
    const run = startCli(['run', 'welcome', 'count to 100 slowly'], { cwd: folder })
    await run.shows(/Counting to 100/, START_MS)
    const children = descendantsOf(hub.child.pid!)
    const pressing = setInterval(() => hub.child.kill('SIGINT'), 50)
    expect(await hub.ended).toMatchObject({ code: 130, stdout: expect.stringContaining('Stopping') })
    clearInterval(pressing)
    run.child.kill('SIGKILL')
    await run.ended
    // What a hub leaves behind ends by itself a minute after it.
    for (const pid of children.filter(isAlive)) process.kill(pid, 'SIGKILL')
  }, 120_000)
})

describe('what it prints for programs', () => {
  test('--json prints the log as JSON lines, without a token; --quiet prints nothing', async () => {
    cpSync(made, dataDir(), { recursive: true })
    const json = up(['--json'])
    await json.shows(/"message":"the hub serves"/, START_MS)
    json.child.kill('SIGTERM')
    const { code, stdout, stderr } = await json.ended
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(lines.find(({ message }) => message === 'the hub serves')).toMatchObject({ url: `http://127.0.0.1:${port}` })
    expect(stdout).not.toContain('sbx_')

    const quiet = up(['--quiet'])
    for (let known = readHubFile(dataDir()); !known; known = readHubFile(dataDir())) await delay(20)
    quiet.child.kill('SIGTERM')
    expect(await quiet.ended).toMatchObject({ code: 0, stdout: '', stderr: '' })
  }, 120_000)
})

describe('a hub that cannot start', () => {
  test.each([
    [
      'settings that are wrong, all at once',
      { PORT: 'x', SIGNALBOX_PUBLIC_URL: 'y' },
      2,
      /2 settings are wrong:\n {2}PORT .*\n {2}SIGNALBOX_PUBLIC_URL /,
    ],
    ['a host that is open without names', { HOST: '0.0.0.0' }, 2, /SIGNALBOX_ALLOWED_HOSTS/],
    ['a model of no provider', { SIGNALBOX_MODEL: 'nobody/x' }, 1, /SIGNALBOX_MODEL is nobody\/x/],
    [
      'a database that does not answer',
      { DATABASE_URL: 'postgres://u:secret-word@127.0.0.1:1/d' },
      1,
      /database .* does not answer/,
    ],
  ])('%s: a message, a hint and an exit code, no stack and no secret', async (_, env, exit, message) => {
    const { code, stdout, stderr } = await up([], env).ended
    expect({ code, stderr }).toEqual({ code: exit, stderr: expect.stringMatching(message) })
    expect(stderr).toMatch(/\n {2}\S/)
    expect(stdout + stderr).not.toMatch(/\n\s+at |secret-word/)
    expect(existsSync(join(dataDir(), 'hub.json'))).toBe(false)
  })
})
