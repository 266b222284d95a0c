import { execFile } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RuntimeEvent, Turn } from '../../core/index.ts'
import { type InlineHarness, startInlineHarness } from '../../test/inline/harness.ts'
import { workspacesFolder } from './isolation.ts'

const asRoot = process.getuid?.() === 0

describe.runIf(asRoot)('with a user for each agent', () => {
  let harness: InlineHarness
  beforeAll(async () => {
    harness = await startInlineHarness()
  })
  afterAll(() => harness.stop())

  /** What a tool gave, or how it was refused. */
  async function use(given: Turn): Promise<{ content: string; isError: boolean }[]> {
    const { events, snapshot } = await harness.run(given)
    expect(snapshot.status).toBe('succeeded')
    return results(events)
  }
  const bash = (command: string, changes?: Parameters<InlineHarness['turn']>[1]) =>
    harness.turn({ tools: [{ name: 'bash', args: { command, description: 'test' } }] }, changes)
  /** A command whose paths OpenCode does not see: what it refuses by their looks is no proof of what the user may do. */
  const hidden = (command: string, changes?: Parameters<InlineHarness['turn']>[1]) =>
    bash(`eval "$(echo ${Buffer.from(command).toString('base64')} | base64 -d)"`, changes)
  const call = (name: string, args: Record<string, unknown>) => ({ name, args })
  const serverPid = () =>
    (JSON.parse(readFileSync(join(harness.dataDir, 'server.json'), 'utf8')) as { pid: number }).pid

  test('commands run as the user of their agent, in its workspace, with its environment and nothing else', async () => {
    const awkward = `it's "$HOME" and \`x\`\nsecond line`
    const given = bash('id -u; id -G; pwd; printf %s "$GREETING"; echo; env | sort', {
      number: 7,
      env: { GREETING: awkward, LD_PRELOAD: '/nowhere.so' },
    })
    const [result] = await use(given)
    const workspace = harness.workspace(given)
    expect(result!.content).toContain(`200007\n200007\n${workspace}\n${awkward}\n`)
    expect(result!.content).toContain(`HOME=${workspace}\n`)
    expect(result!.content).not.toMatch(/OPENCODE|SIGNALBOX|XDG_/)
    // bash, id, id, env and sort load it, as the agent's user; nothing before the user was changed did.
    expect(result!.content.match(/nowhere\.so' from/g)).toHaveLength(5)
  })

  test("the server's password, its environment and the tokens of sessions cannot be read from a command", async () => {
    const other = harness.turn('hello', { number: 3 })
    await harness.run(other)
    const password = await readFile(join(harness.dataDir, 'password'), 'utf8')
    const targets = [
      `/proc/${serverPid()}/environ`,
      `/proc/${serverPid()}/fd`,
      join(harness.dataDir, 'password'),
      join(harness.dataDir, 'server.json'),
      join(harness.dataDir, 'server.log'),
      join(harness.dataDir, 'sessions', other.sessionId, 'token'),
      join(harness.dataDir, 'sessions'),
      join(harness.dataDir, 'home/data/opencode'),
      join(harness.workspace(other)),
      harness.dataDir,
      join(harness.dataDir, 'workspaces'),
    ]
    const [result] = await use(
      hidden(
        `for f in ${targets.join(' ')}; do cat "$f" 2>/dev/null && echo "READ $f"; ls "$f"/ >/dev/null 2>&1 && echo "LISTED $f"; done; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; ps eww -u 0 -o args 2>/dev/null | grep -i opencode_server; kill -0 ${serverPid()} && echo KILLABLE; true`,
        { number: 4 },
      ),
    )
    expect(result!.content).not.toMatch(/^(READ|LISTED|KILLABLE)/m)
    expect(result!.content).not.toContain(password)
    expect(result!.content).not.toContain('token-')
    // It sees its own environment: what it looked through was not empty.
    expect(result!.content).toContain('USER=agent')
  })

  test('an agent cannot get at the workspace of another by commands or tools', async () => {
    const owner = harness.turn(
      { tools: [call('write', { filePath: 'secret.txt', content: 'the-crown-jewels' })] },
      { number: 5 },
    )
    await harness.run(owner)
    const there = harness.workspace(owner)
    const path = join(there, 'secret.txt')
    const [command] = await use(
      hidden(
        `cat ${path}; ls ${there}; cp ${path} mine; ln ${path} mine; ln -s ${path} link; cat link; echo over > ${path}; rm -rf ${there}`,
        { number: 6 },
      ),
    )
    expect(command!.content).not.toContain('crown-jewels')
    expect(command!.content.match(/Permission denied/g)!.length).toBeGreaterThan(3)
    const tools = [
      call('read', { filePath: path }),
      call('read', { filePath: there }),
      call('read', { filePath: `../${owner.sessionId}/secret.txt` }),
      call('glob', { pattern: '*', path: there }),
      call('glob', { pattern: `../${owner.sessionId}/*` }),
      call('glob', { pattern: `${there}/*` }),
      call('grep', { pattern: 'crown', path: there }),
      call('grep', { pattern: 'crown', path: path }),
      call('write', { filePath: path, content: 'gone' }),
      call('edit', { filePath: path, oldString: 'crown', newString: 'gone' }),
      call('bash', { command: 'cat secret.txt', workdir: there, description: 'x' }),
    ]
    for (const tool of tools) {
      const [result] = await use(harness.turn({ tools: [tool] }, { number: 6 }))
      expect(
        result!.isError || result!.content === 'No files found',
        `${JSON.stringify(tool)} gave ${result!.content}`,
      ).toBe(true)
      expect(result!.content).not.toContain('jewels')
    }
    expect(readFileSync(path, 'utf8')).toBe('the-crown-jewels')
  })

  test('two sessions of one agent are apart for its file tools', async () => {
    const first = harness.turn({ tools: [call('write', { filePath: 'a.txt', content: 'x' })] })
    await harness.run(first)
    const [result] = await use(
      harness.turn({ tools: [call('read', { filePath: join(harness.workspace(first), 'a.txt') })] }),
    )
    expect(result).toMatchObject({ isError: true, content: expect.stringContaining('outside of the workspace') })
  })

  test('no link, no dots and no patch lead a tool out of the workspace', async () => {
    const outside = join(harness.dataDir, 'home', 'outside')
    mkdirSync(outside, { recursive: true })
    writeFileSync(join(outside, 'target.txt'), 'root-only-content\n', { mode: 0o600 })
    const given = bash(
      [
        `ln -s ${outside} dir`,
        `ln -s ${outside}/target.txt file.txt`,
        `ln -s ${outside}/new.txt dangling`,
        'ln -s dir chain',
        'mkdir sub plain && echo x > sub/f.txt && echo x > plain/f.txt',
        `ln -s ${outside}/target.txt sub/AGENTS.md`,
        'mkfifo pipe',
        `ln -s / slash`,
      ].join(' && '),
    )
    const { ref } = await harness.run(given)
    const patch = (lines: string[]) =>
      call('apply_patch', { patchText: ['*** Begin Patch', ...lines, '*** End Patch'].join('\n') })
    linkSync(join(outside, 'target.txt'), join(harness.workspace(given), 'second-name.txt'))
    const escapes = [
      call('read', { filePath: 'second-name.txt' }),
      call('write', { filePath: 'second-name.txt', content: 'x' }),
      call('read', { filePath: 'dir/target.txt' }),
      call('read', { filePath: 'file.txt' }),
      call('read', { filePath: 'chain/target.txt' }),
      call('read', { filePath: 'dir' }),
      call('read', { filePath: `slash${outside}/target.txt` }),
      call('read', { filePath: `../../home/outside/target.txt` }),
      call('read', { filePath: `${outside}/target.txt` }),
      call('read', { filePath: join(harness.dataDir, 'home/data/opencode/tool-output') }),
      // OpenCode adds instruction files of the folders above to what it reads.
      call('read', { filePath: 'sub/f.txt' }),
      // A pipe that nobody writes to would hold the server up.
      call('read', { filePath: 'pipe' }),
      call('write', { filePath: 'dir/new.txt', content: 'x' }),
      call('write', { filePath: 'dangling', content: 'x' }),
      call('write', { filePath: 'file.txt', content: 'x' }),
      call('write', { filePath: '../escaped.txt', content: 'x' }),
      call('write', { filePath: '/tmp/signalbox-escaped.txt', content: 'x' }),
      call('edit', { filePath: 'file.txt', oldString: 'root', newString: 'x' }),
      call('grep', { pattern: 'root-only', path: 'dir' }),
      call('grep', { pattern: 'root-only', path: 'file.txt' }),
      call('glob', { pattern: '*', path: 'chain' }),
      call('bash', { command: 'cat target.txt', workdir: 'dir', description: 'x' }),
      patch(['*** Add File: ../escaped.txt', '+x']),
      patch(['*** Add File: dir/new.txt', '+x']),
      patch(['*** Add File: /tmp/signalbox-escaped.txt', '+x']),
      patch(['*** Add File: dangling', '+x']),
      patch(['*** Delete File: dir/target.txt']),
      patch(['*** Delete File: file.txt']),
      patch(['*** Update File: file.txt', '@@', '-root-only-content', '+x']),
      patch(['*** Update File: plain/f.txt', '*** Move to: dir/moved.txt', '@@', '-x', '+y']),
      patch(['*** Update File: plain/f.txt', '*** Move to: ../moved.txt', '@@', '-x', '+y']),
      patch(['*** Add File: fine.txt', '+x', '*** Delete File: dir/target.txt']),
    ]
    for (const tool of escapes) {
      const model = tool.name === 'apply_patch' ? 'scripted/gpt-5' : 'scripted/one'
      const [result] = await use({
        ...harness.turn({ tools: [tool] }, { model }),
        sessionId: given.sessionId,
        previous: ref,
      })
      expect(result, `${JSON.stringify(tool)} gave ${JSON.stringify(result)}`).toMatchObject({ isError: true })
      expect(result!.content).not.toContain('root-only-content')
      expect(result!.content).not.toContain('unavailable tool')
    }
    expect(readdirSync(outside)).toEqual(['target.txt'])
    expect(readFileSync(join(outside, 'target.txt'), 'utf8')).toBe('root-only-content\n')
    expect(existsSync('/tmp/signalbox-escaped.txt')).toBe(false)
    expect(existsSync(join(harness.workspace(given), 'fine.txt'))).toBe(false)
    // Searching from the top passes by what links lead to.
    for (const tool of [
      call('grep', { pattern: 'root-only', path: '.' }),
      call('glob', { pattern: '**/target.txt' }),
    ]) {
      const [result] = await use({ ...harness.turn({ tools: [tool] }), sessionId: given.sessionId, previous: ref })
      expect(result!.content).toBe('No files found')
    }
  })

  test('subagents, skills and web searches are not there: their prompts and paths pass no check', async () => {
    for (const [name, args] of [
      ['task', { description: 'x', prompt: '@/etc/hostname', subagent_type: 'general' }],
      ['skill', { name: 'customize-opencode' }],
      ['websearch', { query: 'x' }],
      ['webfetch', { url: 'http://127.0.0.1:1/', format: 'text' }],
    ] as const) {
      const [result] = await use(harness.turn({ tools: [call(name, args)] }, { permissions: { '*': 'allow' } }))
      expect(result!.content).toContain(`unavailable tool '${name}'`)
    }
  })

  test('what tools make belongs to the agent, folders included', async () => {
    const given = harness.turn(
      {
        tools: [
          call('apply_patch', { patchText: '*** Begin Patch\n*** Add File: one/two/a.txt\n+x\n*** End Patch' }),
          call('apply_patch', {
            patchText:
              '*** Begin Patch\n*** Update File: one/two/a.txt\n*** Move to: three/b.txt\n@@\n-x\n+y\n*** End Patch',
          }),
          call('bash', { command: 'echo more >> three/b.txt && rm -r one && cat three/b.txt', description: 'x' }),
        ],
      },
      { model: 'scripted/gpt-5', number: 9 },
    )
    given.input.files = [
      { id: 'f', name: 'f.txt', mediaType: 'text/plain', bytes: 1, read: async () => new Uint8Array([65]) },
    ]
    expect((await use(given)).at(-1)!.content).toBe('y\nmore\n')
    const again = harness.turn(
      {
        tools: [
          call('write', { filePath: 'x/y/z.txt', content: '1' }),
          call('edit', { filePath: 'x/y/z.txt', oldString: '1', newString: '2' }),
        ],
      },
      { number: 9 },
    )
    await use(again)
    for (const workspace of [harness.workspace(given), harness.workspace(again)]) {
      expect(statSync(workspace)).toMatchObject({ uid: 200009 })
      expect(statSync(workspace).mode & 0o777).toBe(0o700)
      for (const name of readdirSync(workspace, { recursive: true, encoding: 'utf8' }))
        expect([name, lstatSync(join(workspace, name)).uid]).toEqual([name, 200009])
    }
  })

  test('nothing that lies in a workspace is run by the server', async () => {
    const given = harness.turn('make it')
    const { ref } = await harness.run(given)
    const workspace = harness.workspace(given)
    const marker = join(workspace, 'ran')
    const trap = `#!/bin/sh\nid -u >> ${marker}\n`
    mkdirSync(join(workspace, 'node_modules/.bin'), { recursive: true })
    mkdirSync(join(workspace, '.git/hooks'), { recursive: true })
    for (const name of ['prettier', 'biome', 'typescript-language-server', 'tsserver', 'oxlint', 'eslint'])
      writeFileSync(join(workspace, 'node_modules/.bin', name), trap, { mode: 0o755 })
    writeFileSync(
      join(workspace, 'package.json'),
      '{"devDependencies":{"prettier":"*","@biomejs/biome":"*","typescript":"*"}}',
    )
    writeFileSync(join(workspace, 'biome.json'), '{}')
    writeFileSync(
      join(workspace, '.git/config'),
      `[core]\n\trepositoryformatversion = 0\n\tfsmonitor = ${workspace}/node_modules/.bin/prettier\n`,
    )
    writeFileSync(join(workspace, '.git/HEAD'), 'ref: refs/heads/main\n')
    mkdirSync(join(workspace, '.git/objects'))
    mkdirSync(join(workspace, '.git/refs'))
    mkdirSync(join(workspace, '.opencode/plugin'), { recursive: true })
    writeFileSync(
      join(workspace, '.opencode/plugin/evil.js'),
      `import fs from 'node:fs'\nexport default async () => { fs.writeFileSync('${marker}', 'plugin'); return {} }\n`,
    )
    mkdirSync(join(workspace, '.opencode/tool'))
    writeFileSync(
      join(workspace, '.opencode/tool/evil.js'),
      `import fs from 'node:fs'\nfs.writeFileSync('${marker}', 'tool')\nexport default { description: 'x', args: {}, execute: async () => 'x' }\n`,
    )
    chmodSync(join(workspace, '.git/hooks'), 0o755)
    await harness.runtime.dispose!(ref, harness.io)
    const again = {
      ...harness.turn({
        tools: [
          call('write', { filePath: 'a.ts', content: 'const a   = 1' }),
          call('edit', { filePath: 'a.ts', oldString: '1', newString: '2' }),
          call('read', { filePath: 'a.ts' }),
        ],
      }),
      sessionId: given.sessionId,
      previous: ref,
    }
    await use(again)
    expect(readFileSync(join(workspace, 'a.ts'), 'utf8')).toBe('const a   = 2')
    expect(existsSync(marker)).toBe(false)
  })

  test('a link that the agent put in the place of the folder for uploads leads nothing out', async () => {
    const given = bash('rm -rf files && ln -s /tmp files')
    const { ref } = await harness.run(given)
    const next = { ...harness.turn('with a file'), sessionId: given.sessionId, previous: ref }
    next.input.files = [
      {
        id: 'f',
        name: 'signalbox-upload.txt',
        mediaType: 'text/plain',
        bytes: 1,
        read: async () => new Uint8Array([65]),
      },
    ]
    await expect(harness.start(next)).rejects.toThrow('is not a folder')
    expect(existsSync('/tmp/signalbox-upload.txt')).toBe(false)
    symlinkSync('/nowhere', join(harness.workspace(given), 'other'))
  })
})

test.runIf(asRoot)(
  'a hub that is not root runs no commands, says so, and holds files all the same',
  async () => {
    const script = join(import.meta.dirname, '../../test/inline/not-root.ts')
    const { stdout } = await promisify(execFile)(
      '/usr/bin/setpriv',
      ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, '--import', 'tsx', script],
      {
        cwd: join(import.meta.dirname, '../..'),
        env: { PATH: process.env.PATH, HOME: '/nonexistent', TSX_DISABLE_CACHE: '1' },
      },
    )
    expect(JSON.parse(stdout)).toEqual({
      health: {
        status: 'degraded',
        message: expect.stringContaining('not root'),
        remedy: expect.stringContaining('root'),
      },
      tools: ['edit', 'glob', 'grep', 'question', 'read', 'todowrite', 'write'],
      bash: expect.stringContaining("unavailable tool 'bash'"),
      asked: expect.stringContaining('runs no commands here'),
      written: 'inside',
      found: expect.stringMatching(/a\.txt$/),
      outside: expect.stringContaining('outside of the workspace'),
    })
  },
  60_000,
)

function results(events: RuntimeEvent[]) {
  return events.flatMap((event) =>
    event.type === 'tool_result' ? [{ content: event.content, isError: event.isError ?? false }] : [],
  )
}

describe.runIf(asRoot)('workspaces', () => {
  const isolation = { kind: 'uids', setpriv: '/usr/bin/setpriv' } as const
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'signalbox-folders-'))
  })
  afterEach(() => rmSync(root, { recursive: true }))
  /** The data of this test is temporary, so these are too. */
  const elsewhere = join(tmpdir(), 'signalbox-workspaces/rtm_test_elsewhere')
  afterEach(() => rmSync(elsewhere, { recursive: true, force: true }))
  const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

  test("lie in the hub's data folder, which others can then pass and not list", async () => {
    chmodSync(root, 0o755)
    const dataDir = join(root, 'data/runtimes/rtm_1')
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    writeFileSync(join(root, 'data/master.key'), 'x', { mode: 0o600 })
    const input = { dataDir, runtimeId: 'rtm_1', chosen: undefined, isolation }
    expect(await workspacesFolder(input)).toBe(join(dataDir, 'workspaces'))
    expect(
      ['data', 'data/runtimes', 'data/runtimes/rtm_1', 'data/runtimes/rtm_1/workspaces'].map((name) =>
        modeOf(join(root, name)),
      ),
    ).toEqual(['711', '711', '711', '711'])
    // The hub closes its folder at each start.
    chmodSync(join(root, 'data'), 0o700)
    expect(await workspacesFolder(input)).toBe(join(dataDir, 'workspaces'))
    expect(modeOf(join(root, 'data'))).toBe('711')
  })

  test.each([
    ['holds something that others could read', 'data/notes.txt', 0o644],
    ['holds a folder that others could enter', 'data/open/notes.txt', 0o644],
  ])('lie elsewhere when the data folder %s', async (_, name, mode) => {
    chmodSync(root, 0o755)
    const dataDir = join(root, 'data/runtimes/rtm_test_elsewhere')
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    mkdirSync(join(root, name, '..'), { recursive: true, mode: 0o711 })
    writeFileSync(join(root, name), 'x', { mode })
    const folder = await workspacesFolder({ dataDir, runtimeId: 'rtm_test_elsewhere', chosen: undefined, isolation })
    expect(folder).toBe(join(elsewhere, 'workspaces'))
    expect(modeOf(join(root, 'data'))).toBe('700')
  })

  test('lie elsewhere when the way is closed further up, which is not for us to open', async () => {
    const dataDir = join(root, 'project/data/runtimes/rtm_test_elsewhere')
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    const folder = await workspacesFolder({ dataDir, runtimeId: 'rtm_test_elsewhere', chosen: undefined, isolation })
    expect(folder).toBe(join(elsewhere, 'workspaces'))
    expect([modeOf(root), modeOf(join(root, 'project'))]).toEqual(['700', '700'])
  })

  test('are not put where somebody else was first', async () => {
    const dataDir = join(root, 'project/data/runtimes/rtm_test_elsewhere')
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    mkdirSync(join(elsewhere, 'workspaces'), { recursive: true })
    chownSync(join(elsewhere, 'workspaces'), 200_001, 200_001)
    const made = workspacesFolder({ dataDir, runtimeId: 'rtm_test_elsewhere', chosen: undefined, isolation })
    await expect(made).rejects.toThrow('is not a folder of root')
  })

  test('lie where the settings say', async () => {
    const chosen = join(root, 'chosen')
    expect(await workspacesFolder({ dataDir: root, runtimeId: 'rtm_1', chosen, isolation })).toBe(chosen)
    expect([modeOf(root), modeOf(chosen)]).toEqual(['700', '711'])
  })
})
