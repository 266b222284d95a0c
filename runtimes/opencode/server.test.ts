import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { RuntimeEvent } from '../../core/index.ts'
import { type InlineHarness, quiet, startInlineHarness, until } from '../../test/inline/harness.ts'
import { prepareHome } from './home.ts'
import { type Identity, isAlive, startTime, workingIn } from './processes.ts'
import { superviseServer } from './server.ts'

const asRoot = process.getuid?.() === 0
const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function start(options: Parameters<typeof startInlineHarness>[0] = {}): Promise<InlineHarness> {
  const harness = await startInlineHarness(options)
  cleanups.push(() => harness.stop())
  return harness
}

const state = async (harness: Pick<InlineHarness, 'dataDir'>) =>
  JSON.parse(await readFile(join(harness.dataDir, 'server.json'), 'utf8')) as Identity & { port: number }
const words = (count: number) => Array.from({ length: count }, (_, index) => `word${index}`).join(' ')
const slowly = (count: number) => ({ text: words(count), slow: true })

test('a run goes on while its hub is replaced, and is told to its end', async () => {
  const harness = await start()
  const ref = await harness.start(harness.turn(slowly(60)))
  const before: RuntimeEvent[] = []
  const leave = new AbortController()
  for await (const event of harness.runtime.stream(ref, { ...harness.io, signal: leave.signal })) {
    before.push(event)
    if (before.filter(({ type }) => type === 'text').length === 3) leave.abort()
  }
  const server = await state(harness)
  await harness.reopen()
  expect(await harness.runtime.status(ref, harness.io)).toMatchObject({ status: 'running' })
  const { events, snapshot } = await harness.finish(ref)
  expect(snapshot).toMatchObject({ status: 'succeeded', output: words(60) })
  expect(events.findLast(({ type }) => type === 'text_snapshot')).toMatchObject({ text: words(60) })
  expect(await state(harness)).toEqual(server)
})

test('a server that is killed is started again: its run has failed, the session goes on', async () => {
  const harness = await start()
  const given = harness.turn(slowly(2_000))
  const ref = await harness.start(given)
  const heard: RuntimeEvent[] = []
  const finished = harness.finish(ref, heard)
  await until('some text', () => heard.some(({ type }) => type === 'text'))
  const first = await state(harness)
  process.kill(first.pid, 'SIGKILL')
  const { snapshot } = await finished
  expect(snapshot).toMatchObject({ status: 'failed', error: { code: 'runtime_failed' } })
  expect((await state(harness)).pid).not.toBe(first.pid)
  const next = await harness.run({ ...harness.turn('still there?'), sessionId: given.sessionId, previous: ref })
  expect(next.snapshot).toMatchObject({ status: 'succeeded', output: 'You said: still there?' })
  expect((await harness.runtime.health(harness.io)).status).toBe(asRoot ? 'ok' : 'degraded')
})

test('a prompt that comes as the server ends is taken by the next one', async () => {
  const harness = await start()
  const given = harness.turn('one')
  const { ref } = await harness.run(given)
  process.kill((await state(harness)).pid, 'SIGKILL')
  const { snapshot } = await harness.run({ ...harness.turn('two'), sessionId: given.sessionId, previous: ref })
  expect(snapshot).toMatchObject({ status: 'succeeded', output: 'You said: two' })
})

test('a server whose hub is killed while it starts it ends as well', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-hub-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  const hub = spawnHub(folder)
  const [server] = await until('the server to be started', () => {
    const found = workingIn(folder)
    return found.length > 0 && found
  })
  hub.kill('SIGKILL')
  await until('the hub to be gone', () => hub.signalCode === 'SIGKILL')
  await until('the server to be gone', () => !isAlive(server!), 25_000)
})

test('a server without a hub ends itself', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-hub-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  const hub = spawnHub(folder)
  let line = ''
  hub.stdout.on('data', (chunk: Buffer) => {
    line += chunk.toString()
  })
  const { pid } = await until(
    'the server',
    () => /\{.*\}/.exec(line) && (JSON.parse(/\{.*\}/.exec(line)![0]) as { pid: number }),
  )
  const server = { pid, startedAt: startTime(pid)! }
  hub.kill('SIGKILL')
  await until('the hub to be gone', () => hub.signalCode === 'SIGKILL')
  expect(isAlive(server)).toBe(true)
  await until('the server to be gone', () => !isAlive(server))
})

test.runIf(asRoot)('commands that outlive a server that was killed are ended', async () => {
  const harness = await start()
  const given = harness.turn({
    tools: [{ name: 'bash', args: { command: 'echo $$ > pid; sleep 1000', description: 'x' } }],
  })
  await harness.start(given)
  const pid = await until('the command', async () =>
    Number(await readFile(join(harness.workspace(given), 'pid'), 'utf8').catch(() => '')),
  )
  const command = { pid, startedAt: startTime(pid)! }
  process.kill((await state(harness)).pid, 'SIGKILL')
  await until('the command to be gone', () => !isAlive(command))
})

test.runIf(asRoot)('a clean stop ends the server and the commands of its agents', async () => {
  const harness = await start()
  const given = harness.turn({
    tools: [{ name: 'bash', args: { command: 'echo $$ > pid; sleep 1000', description: 'x' } }],
  })
  await harness.start(given)
  const pid = await until('the command', async () =>
    Number(await readFile(join(harness.workspace(given), 'pid'), 'utf8').catch(() => '')),
  )
  const command = { pid, startedAt: startTime(pid)! }
  const server = await state(harness)
  expect([isAlive(command), isAlive(server)]).toEqual([true, true])
  await harness.runtime.close!()
  await until('the command to be gone', () => !isAlive(command))
  expect(isAlive(server)).toBe(false)
})

test('a process that only has the pid of an earlier server is left alone', async () => {
  const harness = await start()
  await harness.run(harness.turn('hello'))
  const earlier = await state(harness)
  await harness.runtime.close!()
  const bystander = spawn('/bin/sleep', ['1000'])
  cleanups.push(async () => bystander.kill())
  await writeFile(join(harness.dataDir, 'server.json'), JSON.stringify({ ...earlier, pid: bystander.pid }))
  await harness.reopen()
  expect((await harness.run(harness.turn('hello'))).snapshot.status).toBe('succeeded')
  expect(isAlive({ pid: bystander.pid!, startedAt: startTime(bystander.pid!)! })).toBe(true)
  expect((await state(harness)).pid).not.toBe(bystander.pid)
})

test('a server that cannot start is tried a few times, then said to be down, and tried again when it is needed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-server-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  const home = await prepareHome({ dataDir: folder, workspaces: join(folder, 'workspaces'), version: '0' })
  const errors: unknown[] = []
  const server = superviseServer({
    binary: { path: '/bin/false', version: '0' },
    home,
    log: { ...quiet, error: (_, fields) => errors.push(fields) },
    timings: { backoffMs: [1, 1], readyMs: 5_000 },
  })
  cleanups.push(() => server.close())
  await expect(server.ensure()).rejects.toMatchObject({
    code: 'runtime_unavailable',
    message: expect.stringContaining('does not start'),
  })
  expect(errors).toHaveLength(3)
  expect(server.trouble()).toContain('ended')
  await expect(server.ensure()).rejects.toMatchObject({ code: 'runtime_unavailable' })
  expect(errors).toHaveLength(4)
})

function spawnHub(folder: string) {
  const script = join(import.meta.dirname, '../../test/inline/hub.ts')
  return spawn(process.execPath, ['--import', 'tsx', script], {
    env: { PATH: process.env.PATH, HOME: folder, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}
