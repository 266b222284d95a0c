import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from './free-port.ts'
import { type Block, readBlocks } from './readme/blocks.ts'
import { type Checkout, freshCheckout } from './readme/checkout.ts'
import { openReadmeShell, type ReadmeShell } from './readme/shell.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

describe('the README', () => {
  const file = join(root, 'README.md')
  const blocks = existsSync(file) ? readBlocks(readFileSync(file, 'utf8')) : []
  let checkout: Checkout
  let shell: ReadmeShell

  beforeAll(async () => {
    checkout = freshCheckout(root)
    const port = await freePort()
    const env = {
      PATH: process.env.PATH,
      LANG: 'C.UTF-8',
      HOME: checkout.home,
      PORT: String(port),
      // The packages that were just installed here come from npm's cache, not over the network again.
      npm_config_cache: execFileSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).trim(),
      npm_config_prefer_offline: 'true',
    }
    // Port 4000 may be taken where the test runs.
    shell = openReadmeShell(checkout.folder, env, (commands) =>
      commands.replaceAll(/(127\.0\.0\.1|localhost):4000/g, `$1:${port}`),
    )
  })

  afterAll(async () => {
    try {
      await shell.close()
    } finally {
      checkout.remove()
    }
  })

  test('has commands to try', () => {
    expect(blocks.length).toBeGreaterThanOrEqual(3)
  })

  // In the order of the page, in one terminal.
  test.each(blocks)('$name', { timeout: 600_000 }, async (block) => void (await shell.run(block)))
})

describe('reading commands', () => {
  test('a block has a name, patterns and an exit code', () => {
    const [block] = readBlocks(
      'Text.\n\n<!-- test: first run\nexpect: ^succeeded\nexpect: \\d+\nexit: 3\n-->\n```sh\nnpx x\n```\n',
    )
    expect(block).toEqual({
      name: 'first run',
      commands: 'npx x\n',
      line: 8,
      expect: [/^succeeded/ms, /\d+/ms],
      exitCode: 3,
      seconds: 120,
      background: null,
    })
  })

  test('other languages and blocks that say why they are not run are passed over', () => {
    expect(readBlocks('```json\n{}\n```\n<!-- untested: needs an account -->\n\n```sh\nx\n```\n')).toEqual([])
  })

  test.each([
    ['commands without a comment', '```sh\nx\n```\n', /line 1: commands without/],
    [
      'a comment that belongs to an earlier paragraph',
      '<!-- test: a -->\ntext\n```sh\nx\n```\n',
      /line 3: commands without/,
    ],
    ['an unknown key', '<!-- test: a\nexpects: b\n-->\n```sh\nx\n```\n', /cannot read "expects: b"/],
    [
      'a name used twice',
      '<!-- test: a -->\n```sh\nx\n```\n<!-- test: a -->\n```sh\nx\n```\n',
      /a second block named a/,
    ],
  ])('%s is refused', (_, markdown, message) => {
    expect(() => readBlocks(markdown)).toThrow(message)
  })
})

describe('running commands', () => {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-readme-test-'))
  const shell = openReadmeShell(folder, { PATH: process.env.PATH }, (commands) => commands.replaceAll('PLACE', 'here'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const block = (commands: string, more: Partial<Block> = {}): Block => ({
    name: 'x',
    commands,
    line: 1,
    expect: [],
    exitCode: 0,
    seconds: 10,
    background: null,
    ...more,
  })

  test('variables and folders hold from block to block', async () => {
    await shell.run(block('export TOKEN=abc\nmkdir -p sub && cd sub'))
    expect(await shell.run(block('echo "$TOKEN in $(basename "$PWD") PLACE"'))).toBe('abc in sub here\n')
  })

  test.each([
    ['an exit code', block('echo before; false; echo after'), /exit code 1, not 0.*before/s],
    ['a failure within a pipe', block('false | cat'), /exit code 1/],
    ['an output', block('echo one', { expect: [/^two/m] }), /nothing in it matches \/\^two\/m.*one/s],
    ['a time', block('sleep 20', { seconds: 1 }), /not done in 1 s/],
    ['a program that should stay', block('echo early; exit 2', { background: /ready/ }), /ended with 2 before.*early/s],
  ])('%s that is not as the page says fails', async (_, wrong, message) => {
    await expect(shell.run(wrong)).rejects.toThrow(message)
  })

  test('what stays in the background is there for the next block and ends by Ctrl-C, with its children', async () => {
    const server = `node -e "require('net').createServer((s) => s.end('hi')).listen(process.env.AT, '127.0.0.1', () => console.log('ready'))"`
    const port = await freePort()
    await shell.run(block(`export AT=${port}`))
    await shell.run(block(`${server}; true`, { background: /ready/ }))
    expect(await shell.run(block(`exec 3<>/dev/tcp/127.0.0.1/${port}; cat <&3`))).toBe('hi')
    await shell.close()
    await expect(shell.run(block(`exec 3<>/dev/tcp/127.0.0.1/${port}`))).rejects.toThrow(/exit code 1/)
  })
})
