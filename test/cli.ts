import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeHubFile } from '../cli/data-folder.ts'
import { listen } from '../cli/listen.ts'
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
  shows(pattern: RegExp): Promise<void>
  ended: Promise<Ended>
}

/** Starts the program without a terminal; nothing of the caller's environment but PATH reaches it. */
export function startCli(
  args: string[],
  options: { cwd: string; env?: Record<string, string>; input?: string },
): Started {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, HOME: options.cwd, ...options.env },
  })
  let stdout = ''
  let stderr = ''
  const looks = new Set<() => void>()
  const look = (): void => {
    for (const check of looks) check()
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    look()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    look()
  })
  child.stdin.end(options.input ?? '')
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    shows: (pattern) =>
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
        const timer = setTimeout(() => end(new Error(`It never showed ${pattern}:\n${stdout}\n${stderr}`)), 20_000)
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
}

/** A hub with the scripted runtime, served over REST in this process, that commands find by its hub.json. */
export async function openCliHub(): Promise<CliHub> {
  const test = await openTestCore()
  const listening = await listen(webApp(test.core, { log: quiet }).fetch, { host: '127.0.0.1', port: 0, log: quiet })
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
    close: async () => {
      await listening.close(0)
      await test.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
