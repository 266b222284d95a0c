import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliHub, hasTerminal, openCliHub, startCli, startCliAtTerminal } from '../test/cli.ts'
import { exitCode } from './exit-code.ts'
import { packageFolder } from './package-folder.ts'

let hub: CliHub
beforeAll(async () => {
  hub = await openCliHub()
})
afterAll(() => hub.close())

describe('run', () => {
  test('streams the answer to standard output and the rest to standard error', async () => {
    const { code, stdout, stderr } = await hub.cli(['run', 'echo', 'tool:read say:Hello_there usage:1200,30'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Hello there\n' })
    expect(stderr).toMatch(/● echo · scripted · run_\w+/)
    expect(stderr).toContain('▸ read')
    expect(stderr).toMatch(/✓ succeeded · .* · 1,200 tokens in, 30 out · \$0\.0012/)
    expect(stderr).toMatch(/\n {2}http:\/\/127\.0\.0\.1:\d+\/runs\/run_/)
  })

  test('a failed run is exit code 1, with why and what to do', async () => {
    const { code, stderr } = await hub.cli(['run', 'echo', 'fail:the_disk_is_full'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/✗ failed.*\n {2}the disk is full \(runtime_failed\)\n {2}\w/)
  })

  test('--json is one event a line, then the run', async () => {
    const { code, stdout, stderr } = await hub.cli(['run', 'echo', 'say:hi', '--json'])
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(lines.slice(0, -1).map(({ seq }) => seq)).toEqual(lines.slice(0, -1).map((_, index) => index + 1))
    expect(lines.at(-2)).toMatchObject({ type: 'RUN_FINISHED' })
    expect(lines.at(-1)).toMatchObject({ run: { status: 'succeeded', output: 'hi' } })
  })

  test('--detach prints the id alone, and the same key again is the same run', async () => {
    const args = ['run', 'echo', 'sleep:50 say:x', '--detach', '--idempotency-key', 'order-66']
    const [first, second] = [await hub.cli(args), await hub.cli(args)]
    expect(first.stdout).toMatch(/^run_\w+\n$/)
    expect(second.stdout).toBe(first.stdout)
    const watched = await hub.cli(['watch', first.stdout.trim()])
    expect(watched).toMatchObject({ code: 0, stdout: 'x\n' })
  })

  test('files go with it, each under its own name', async () => {
    writeFileSync(join(hub.folder, 'notes ä.md'), '# Notes\n')
    writeFileSync(join(hub.folder, 'empty.bin'), '')
    const { code } = await hub.cli(['run', 'echo', 'say:x', '--file', 'notes ä.md', '-f', 'empty.bin'])
    expect(code).toBe(0)
  })

  test.each([
    ['nowhere.md', /nowhere\.md cannot be attached: there is no such file/],
    ['.signalbox', /it is a folder/],
  ])('a file that cannot be read (%s) starts nothing', async (file, message) => {
    const before = (await hub.core.runs.list(hub.admin)).data[0]?.id
    const { code, stderr } = await hub.cli(['run', 'echo', 'x', '--file', file])
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
    expect((await hub.core.runs.list(hub.admin)).data[0]?.id).toBe(before)
  })

  test('the prompt may come from standard input', async () => {
    expect(await hub.cli(['run', 'echo', '-'], { input: 'say:piped\n' })).toMatchObject({ code: 0, stdout: 'piped\n' })
    expect(await hub.cli(['run', 'echo'], { input: '' })).toMatchObject({ code: 2 })
  })

  test('Ctrl-C without a terminal stops the run: exit code 130', async () => {
    const started = hub.start(['run', 'echo', 'say:begun last'])
    await started.shows(/begun/)
    started.child.kill('SIGINT')
    const { code, stderr } = await started.ended
    expect(code).toBe(130)
    expect(stderr).toMatch(/■ cancelled/)
  })

  test('a question is printed with the commands that decide it, and the run goes on once it is decided', async () => {
    const started = hub.start(['run', 'echo', 'permit:bash say:done'])
    await started.shows(/signalbox approve apr_\w+\n {2}signalbox deny apr_\w+/)
    expect(started.stderr()).toContain('"path": "/etc/motd"')
    const [, id] = /approve (apr_\w+)/.exec(started.stderr()) ?? []
    const listed = JSON.parse((await hub.cli(['approvals', '--json'])).stdout)
    expect(listed.data.map((approval: { id: string }) => approval.id)).toEqual([id])
    expect(await hub.cli(['approve', id!, '--note', 'go ahead'])).toMatchObject({
      code: 0,
      stdout: `✓ ${id}: Allow once\n`,
    })
    expect(await started.ended).toMatchObject({ code: 0, stdout: 'answer once\n\ndone\n' })
    expect(await hub.cli(['deny', id!])).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('was decided before: once'),
    })
  })

  test('approve of a question without options says how to answer it', async () => {
    const started = hub.start(['run', 'echo', 'ask:Tea_or_coffee say:done'])
    await started.shows(/Tea or coffee/)
    const { data } = JSON.parse((await hub.cli(['approvals', '--json'])).stdout)
    expect(await hub.cli(['approve', data[0].id])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`signalbox send ${data[0].session_id}`),
    })
    expect((await hub.cli(['send', data[0].session_id, 'tea', '--detach'])).code).toBe(0)
    expect(await started.ended).toMatchObject({ code: 0, stdout: 'answer tea\n\ndone\n' })
  })
})

describe('watch, send and stop', () => {
  test('watch starts after the event it is told', async () => {
    const { stdout } = await hub.cli(['run', 'echo', 'say:hi', '--json'])
    const { run } = JSON.parse(stdout.trim().split('\n').at(-1)!)
    const watched = await hub.cli(['watch', run.id, '--after', '2', '--json'])
    expect(JSON.parse(watched.stdout.split('\n')[0]!).seq).toBe(3)
    expect(await hub.cli(['watch', run.id, '--after', 'x'])).toMatchObject({ code: 2 })
  })

  test('Ctrl-C leaves a watched run alone; stop ends it', async () => {
    const id = (await hub.cli(['run', 'echo', 'say:begun last', '--detach'])).stdout.trim()
    const watching = hub.start(['watch', id])
    await watching.shows(/begun/)
    watching.child.kill('SIGINT')
    expect(await watching.ended).toMatchObject({ code: 130, stderr: expect.stringContaining(`signalbox stop ${id}`) })
    expect((await hub.core.runs.get(hub.admin, id)).status).toBe('running')
    expect(await hub.cli(['stop', id])).toMatchObject({ code: 0, stdout: `■ ${id} cancelled\n` })
    expect(await hub.cli(['watch', id])).toMatchObject({ code: 1 })
  })

  test('steer goes into the run at work', async () => {
    const running = hub.start(['run', 'echo', 'say:begun last', '--json'])
    await running.shows(/begun/)
    const { data } = JSON.parse((await hub.cli(['sessions', '--status', 'running', '--json'])).stdout)
    const sent = await hub.cli(['send', data[0].id, 'hurry', '--mode', 'steer', '--detach', '--json'])
    const run = JSON.parse(sent.stdout)
    await running.shows(/steered: hurry/)
    await hub.cli(['stop', run.id])
    expect((await running.ended).code).toBe(1)
  })
})

describe('a hub that goes away', () => {
  test('is waited for, and events go on after the last one seen, without gap or repeat', async () => {
    const started = hub.start(['run', 'echo', 'say:before sleep:1500 say:after', '--json'])
    await started.shows(/before/)
    const back = await hub.away()
    await started.shows(/waiting for it to come back/)
    await back()
    const { code, stdout } = await started.ended
    const events = stdout
      .trim()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
    expect(code).toBe(0)
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
    expect(stdout).toContain('after')
  })
})

describe.runIf(hasTerminal)('at a terminal', () => {
  const enter = '\r'
  const down = '\u001b[B'
  const ctrlC = '\u0003'
  const open = (args: string[]) => startCliAtTerminal(args, { cwd: hub.folder })

  test('Ctrl-C offers to stop the run', async () => {
    const run = open(['run', 'echo', 'say:begun last'])
    await run.shows(/begun/)
    run.child.stdin?.write(ctrlC)
    await run.shows(/Stop it[\s\S]*Detach[\s\S]*Keep watching/)
    run.child.stdin?.write(enter)
    const { code, stdout } = await run.ended
    expect({ code, stdout }).toEqual({ code: 130, stdout: expect.stringContaining('■ cancelled') })
  })

  test.each([
    ['Detach', [down, enter]],
    ['a second Ctrl-C', [ctrlC]],
  ])('%s leaves the run at work', async (_, keys) => {
    const run = open(['run', 'echo', 'say:begun last'])
    await run.shows(/begun/)
    run.child.stdin?.write(ctrlC)
    await run.shows(/Keep watching/)
    for (const key of keys) run.child.stdin?.write(key)
    const { code, stdout } = await run.ended
    const [, id] = /signalbox stop (run_\w+)/.exec(stdout) ?? []
    expect(code).toBe(130)
    expect((await hub.core.runs.get(hub.admin, id!)).status).toBe('running')
    await hub.cli(['stop', id!])
  })

  test('what a run asks is asked right there', async () => {
    const run = open(['run', 'echo', 'permit:bash say:done'])
    await run.shows(/May I use bash\?[\s\S]*\/etc\/motd[\s\S]*Allow once[\s\S]*Reject[\s\S]*Decide later/)
    run.child.stdin?.write(down + enter)
    const { code, stdout } = await run.ended
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/answer reject\r\n[\s\S]*✓ succeeded/) })
  })

  test('a question that is answered elsewhere is taken back', async () => {
    const run = open(['run', 'echo', 'ask:Tea_or_coffee say:done'])
    await run.shows(/Your answer\?[\s\S]*Write an answer/)
    const { data } = JSON.parse((await hub.cli(['approvals', '--json'])).stdout)
    await hub.cli(['send', data[0].session_id, 'tea', '--detach'])
    const { code, stdout } = await run.ended
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/answer tea\r\n[\s\S]*✓ succeeded/) })
  })

  test('an answer may be written', async () => {
    const run = open(['run', 'echo', 'ask:Tea_or_coffee say:done'])
    await run.shows(/Write an answer/)
    run.child.stdin?.write(enter)
    // The choice is repeated with its question mark before the field for the answer is there.
    await run.shows(/Your answer(?!\?)/)
    run.child.stdin?.write(`coffee, black${enter}`)
    const { code, stdout } = await run.ended
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('answer coffee, black') })
  })
})

describe('lists', () => {
  test.each(['runs', 'sessions', 'agents', 'runtimes', 'schedules', 'approvals'])(
    '%s --json is a page, and without it a table or a word that there are none',
    async (list) => {
      const { data, next_cursor } = JSON.parse((await hub.cli([list, '--json', '--all'])).stdout)
      expect(data).toBeInstanceOf(Array)
      expect(next_cursor).toBeNull()
      const { code, stdout, stderr } = await hub.cli([list])
      expect(code).toBe(0)
      expect(data.length > 0 ? stdout : stderr).toMatch(/\w/)
    },
  )

  test('--limit ends a list, --all reads every page', async () => {
    const all = JSON.parse((await hub.cli(['runs', '--json', '--all'])).stdout)
    const two = JSON.parse((await hub.cli(['runs', '--json', '-n', '2'])).stdout)
    expect(two.data.map(({ id }: { id: string }) => id)).toEqual(
      all.data.slice(0, 2).map(({ id }: { id: string }) => id),
    )
    expect(two.next_cursor).not.toBeNull()
    expect((await hub.cli(['runs', '-n', '2'])).stderr).toContain('--all')
    expect((await hub.cli(['runs', '-n', '0'])).code).toBe(2)
  })

  test('a closed pipe is no error', async () => {
    const started = hub.start(['runs', '--json', '--all'])
    started.child.stdout!.destroy()
    expect(await started.ended).toMatchObject({ code: 0, stderr: '' })
  })
})

describe('token', () => {
  test('prints a token alone, which works', async () => {
    const { stdout, code } = await hub.cli(['token', '--name', 'ci', '--expires', '7'])
    expect({ stdout, code }).toEqual({ stdout: expect.stringMatching(/^sbx_\S+\n$/), code: 0 })
    expect(await hub.cli(['runs'], { env: { SIGNALBOX_URL: hub.url, SIGNALBOX_TOKEN: stdout.trim() } })).toMatchObject({
      code: 0,
    })
    expect((await hub.cli(['token', '--expires', '0'])).code).toBe(2)
  })
})

describe('refusals', () => {
  const nowhere = { SIGNALBOX_URL: 'http://127.0.0.1:1', SIGNALBOX_TOKEN: 't' }
  test.each([
    ['an unknown command', ['frobnicate'], {}, 2, 'usage'],
    ['a missing argument', ['run'], {}, 2, 'usage'],
    ['an unknown option', ['runs', '--frobnicate'], {}, 2, 'usage'],
    ['what the hub finds invalid', ['runs', '--status', 'odd'], {}, 2, 'invalid_request'],
    ['no hub there', ['runs'], nowhere, 3, 'hub_unreachable'],
    ['a wrong token', ['runs'], { SIGNALBOX_TOKEN: 'wrong' }, 4, 'unauthenticated'],
    ['something that is not there', ['watch', 'run_nope'], {}, 5, 'run_not_found'],
    ['an agent that is not there', ['run', 'nobody', 'x'], {}, 5, 'agent_not_found'],
  ])('%s: its exit code, and with --json its code, message and hint', async (_, args, env, exit, code) => {
    const json = await hub.cli([...args, '--json'], { env })
    expect(json).toMatchObject({ code: exit, stderr: '' })
    expect(JSON.parse(json.stdout)).toEqual({
      error: expect.objectContaining({ code, message: expect.stringMatching(/\w/), hint: expect.stringMatching(/\w/) }),
    })
    const plain = await hub.cli(args, { env })
    expect(plain).toMatchObject({ code: exit, stdout: '' })
    expect(plain.stderr).toMatch(/^✗ .+\n {2}\S/)
    expect(plain.stderr).not.toMatch(/\n\s+at /)
  })

  test('a program that is no hub is told apart from a hub that refuses', async () => {
    const { createServer } = await import('node:http')
    const server = createServer((_, response) => response.writeHead(404).end('<html>')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const url = typeof address === 'object' ? `http://127.0.0.1:${address?.port}` : ''
    const { code, stderr } = await hub.cli(['runs'], { env: { SIGNALBOX_URL: url, SIGNALBOX_TOKEN: 't' } })
    server.close()
    expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringContaining('is not a Signalbox hub') })
  })
})

describe('help and version', () => {
  test('help lists every command with examples, and each has help of its own', async () => {
    const { code, stdout } = await hub.cli(['help'])
    expect(code).toBe(0)
    const names = [...stdout.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name]) => name!)
    expect(names).toEqual(
      'up run watch send stop runs sessions agents runtimes schedules approvals approve deny apply validate doctor token mcp version'.split(
        ' ',
      ),
    )
    for (const name of ['up', 'run', 'apply']) {
      const [help, flag] = [await hub.cli(['help', name]), await hub.cli([name, '--help'])]
      expect(help.stdout).toMatch(new RegExp(`Usage: signalbox ${name} `))
      expect(flag.stdout).toBe(help.stdout)
    }
  })

  test('the version is the one of the package, from anywhere', async () => {
    const { version } = (await import(join(packageFolder(), 'package.json'), { with: { type: 'json' } })).default
    for (const args of [['version'], ['--version'], ['-v']]) {
      expect(await startCli(args, { cwd: '/' }).ended).toMatchObject({ code: 0, stdout: `${version}\n` })
    }
    const { stdout } = await startCli(['version', '--json'], { cwd: '/' }).ended
    expect(JSON.parse(stdout)).toEqual({ version })
  })
})

test('docs/cli.md names every command, option, exit code and variable', async () => {
  const page = readFileSync(join(packageFolder(), 'docs', 'cli.md'), 'utf8')
  const { stdout } = await hub.cli(['help'])
  const missing: string[] = []
  for (const [, name] of stdout.matchAll(/^ {2}([a-z]+) {2,}\S/gm)) {
    if (!page.includes(`signalbox ${name}`) && !page.includes(`\`${name}\``)) missing.push(name!)
    const help = (await hub.cli(['help', name!])).stdout
    for (const [option] of help.matchAll(/^ {2}(-\w, )?--[\w-]+( <\w+>)?/gm)) {
      if (!page.includes(option.trim())) missing.push(`${name}: ${option.trim()}`)
    }
  }
  for (const code of Object.values(exitCode)) if (!page.includes(`\n| ${code} | `)) missing.push(`exit code ${code}`)
  for (const variable of (await hub.cli(['help', 'up'])).stdout.match(/[A-Z]+(_[A-Z]+)+|PORT|HOST/g) ?? []) {
    if (!page.includes(`\`${variable}\``)) missing.push(variable)
  }
  expect(missing).toEqual([])
})
