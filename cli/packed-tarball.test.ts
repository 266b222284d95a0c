import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../test/free-port.ts'
import { readHubFile } from './data-folder.ts'
import { packageFolder } from './package-folder.ts'

const execute = promisify(execFile)
const INSTALL_MS = 300_000

let folder: string
let files: string[]
let env: Record<string, string | undefined>
const npm = (command: string, args: string[], cwd: string) =>
  execute(command, args, { cwd, env, timeout: INSTALL_MS, maxBuffer: 1e8 })

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-packed-'))
  const { stdout: cache } = await execute('npm', ['config', 'get', 'cache'])
  env = {
    PATH: process.env.PATH,
    HOME: join(folder, 'home'),
    npm_config_cache: cache.trim(),
    npm_config_prefer_offline: 'true',
    PORT: String(await freePort()),
  }
  mkdirSync(join(folder, 'home'))
  mkdirSync(join(folder, 'empty'))
  // What the registry is in this place; nothing else of the person's npm settings.
  const { stdout: registry } = await execute('npm', ['config', 'get', 'registry'])
  env.npm_config_registry = registry.trim()

  // The build is there already: scripts of packing would make it again under the feet of other tests.
  const packed = await npm('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], packageFolder())
  const [{ filename, files: listed }] = JSON.parse(packed.stdout)
  files = listed.map(({ path }: { path: string }) => path)
  writeFileSync(join(folder, 'empty', 'package.json'), '{"private":true}\n')
  await npm('npm', ['install', '--no-audit', '--no-fund', join(folder, filename)], join(folder, 'empty'))
}, INSTALL_MS)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the package holds the program and what it reads, and no sources, tests or build notes', () => {
  expect(files).toEqual(
    expect.arrayContaining([
      'dist/cli/main.js',
      'cli/starter/signalbox.yaml',
      'schema.json',
      'README.md',
      'LICENSE',
      'migrations/meta/_journal.json',
    ]),
  )
  expect(files.filter((file) => /\.test\.|\.tsx?$|tsbuildinfo|^(test|bench|docs)\//.test(file))).toEqual([])
})

test('npx signalbox up runs an agent in an empty folder, and a token from npx works', async () => {
  const cwd = join(folder, 'empty')
  const up = execute('npx', ['--offline', 'signalbox', 'up'], { cwd, env, maxBuffer: 1e8 })
  try {
    let shown = ''
    await new Promise<void>((resolve, reject) => {
      const see = (text: string): void => {
        shown += text
        if (/The hub serves/.test(shown)) resolve()
      }
      up.child.stdout?.setEncoding('utf8').on('data', see)
      up.child.stderr?.setEncoding('utf8').on('data', see)
      up.child.once('exit', () => reject(new Error(`It ended:\n${shown}`)))
    })
    expect(shown).toMatch(/\[demo model\] I read files\/signalbox\.yaml/)
    expect(shown).toMatch(/▸ read files\/signalbox\.yaml/)
    expect(shown).toMatch(/✓ succeeded/)
    const { stdout: token } = await execute('npx', ['--offline', 'signalbox', 'token'], { cwd, env })
    const answer = await fetch(`http://127.0.0.1:${env.PORT}/api/v1/runs`, {
      headers: { authorization: `Bearer ${token.trim()}` },
    })
    expect(await answer.json()).toMatchObject({ data: [{ agent: 'welcome', status: 'succeeded' }] })
  } finally {
    // npx passes it on to the program, which ends its children.
    const hub = readHubFile(join(cwd, '.signalbox'))
    if (hub) process.kill(hub.pid, 'SIGTERM')
    await up.catch(() => {})
  }
  expect(readHubFile(join(cwd, '.signalbox'))).toBeNull()
  expect(readFileSync(join(cwd, '.signalbox', 'logs', 'hub.log'), 'utf8')).toMatch(/"message":"stopped"/)
}, 120_000)
