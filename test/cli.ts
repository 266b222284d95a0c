import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeHubFile } from '../cli/data-folder.ts'
import { listen } from '../cli/listen.ts'
import { mcpApp } from '../mcp/index.ts'
import { webApp } from '../web/app.ts'
import { openTestCore, quiet, type TestCore } from './core.ts'

/** The built program: what a person runs. */
export const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

export type Ended = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }

export type Started = {
  child: ChildProcess
  /** Everything written so far. */
  stdout(): string
  stderr(): string
  /** Resolves when standard output and error together match; throws when the program ends before, or after 20 s. */
  shows(pattern: RegExp, ms?: number): Promise<void>
  ended: Promise<Ended>
}

type StartOptions = { cwd: string; env?: Record<string, string>; input?: string }

/** Starts the program without a terminal; nothing of the caller's environment but PATH reaches it. */
export function startCli(args: string[], options: StartOptions): Started {
  const started = observe(
    spawn(process.execPath, [program, ...args], {
      cwd: options.cwd,
      env: { PATH: process.env.PATH, HOME: options.cwd, ...options.env },
    }),
  )
  started.child.stdin?.end(options.input ?? '')
  return started
}

/** Of util-linux: runs a program at a terminal of its own. */
const terminalMaker = 'script'

/** True where programs can be given a terminal of their own. */
export const hasTerminal = process.platform === 'linux' && spawnSync(terminalMaker, ['--version']).status === 0

/** The same at a terminal of 100 columns; write key presses to `child.stdin`. Standard error is in `stdout`. */
export function startCliAtTerminal(args: string[], options: Omit<StartOptions, 'input'>): Started {
  const quoted = [process.execPath, program, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
  return observe(
    spawn(terminalMaker, ['-qfec', `stty cols 100 rows 40; exec ${quoted}`, '/dev/null'], {
      cwd: options.cwd,
      env: { PATH: process.env.PATH, HOME: options.cwd, TERM: 'xterm-256color', NO_COLOR: '1', ...options.env },
    }),
  )
}

function observe(child: ChildProcess): Started {
  let stdout = ''
  let stderr = ''
  const looks = new Set<() => void>()
  const look = (): void => {
    for (const check of looks) check()
  }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    look()
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    look()
  })
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    shows: (pattern, ms = 20_000) =>
      new Promise((resolve, reject) => {
        const end = (error?: Error): void => {
          looks.delete(check)
          clearTimeout(timer)
          if (error) reject(error)
          else resolve()
        }
        const check = (): void => {
          if (pattern.test(stdout + stderr)) end()
        }
        const timer = setTimeout(() => end(new Error(`It never showed ${pattern}:\n${stdout}\n${stderr}`)), ms)
        looks.add(check)
        check()
        void ended.then(() => end(new Error(`It ended before it showed ${pattern}:\n${stdout}\n${stderr}`)))
      }),
  }
}

export type CliHub = TestCore & {
  url: string
  /** A folder with the hub's `.signalbox` in it. */
  folder: string
  /** Runs a command there to its end. */
  cli(args: string[], options?: { env?: Record<string, string>; input?: string }): Promise<Ended>
  start(args: string[], options?: { env?: Record<string, string>; input?: string }): Started
  /** Cuts every connection and takes no more, until what it resolves to is called. */
  away(): Promise<() => Promise<void>>
}

/** A hub with the scripted runtime, served over REST and MCP in this process, that commands find by its hub.json. */
export async function openCliHub(): Promise<CliHub> {
  const test = await openTestCore()
  const app = webApp(test.core, { log: quiet })
  const mcp = mcpApp(test.core, { log: quiet, version: test.core.version })
  app.route('/', mcp)
  const at = (port: number) => listen(app.fetch, { host: '127.0.0.1', port, log: quiet })
  let listening = await at(0)
  const url = `http://127.0.0.1:${listening.port}`
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-cli-'))
  await mkdir(join(folder, '.signalbox'), { mode: 0o700 })
  writeHubFile(join(folder, '.signalbox'), { url, pid: process.pid, token: test.token, started_at: '' })
  const start: CliHub['start'] = (args, options = {}) => startCli(args, { cwd: folder, ...options })
  return {
    ...test,
    url,
    folder,
    start,
    cli: (args, options) => start(args, options).ended,
    away: async () => {
      const { port } = listening
      await listening.close(0)
      return async () => {
        listening = await at(port)
      }
    },
    close: async () => {
      await mcp.close()
      await listening.close(0)
      await test.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
