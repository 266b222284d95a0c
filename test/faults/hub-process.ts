import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from '../free-port.ts'

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** How long a start may take; the first one makes the database. */
const START_MS = 60_000
const LOOK_MS = 20

/** One hub as a person runs it: the built program in a process of its own, with its own data folder and port. */
export type HubProcess = {
  url: string
  /** Starts the process and returns at once. */
  start(): void
  /** Resolves when it answers; throws when it ends before, or takes longer than a minute. */
  serving(): Promise<void>
  isServing(): boolean
  /** Of the running process; throws when there is none. */
  pid(): number
  /** kill -9, and the process is gone when it resolves. */
  kill(): Promise<void>
  /** Ctrl-C; throws when it is not gone within 30 s. */
  stop(): Promise<void>
  /** A command of the CLI against this hub; its output. */
  command(...args: string[]): Promise<string>
  /** Ends of the process that nobody here asked for. */
  crashes(): string[]
}

/** `folder` gets the hub's data, its home and its output (`output.log`). */
export async function hubProcess(folder: string, env: Record<string, string> = {}): Promise<HubProcess> {
  const home = join(folder, 'home')
  mkdirSync(home, { recursive: true })
  const port = await freePort()
  const output = join(folder, 'output.log')
  const url = `http://127.0.0.1:${port}`
  const environment = {
    PATH: process.env.PATH,
    HOME: home,
    HOST: '127.0.0.1',
    PORT: String(port),
    SIGNALBOX_DATA_DIR: join(folder, 'data'),
    ...env,
  }
  let child: ChildProcess | null = null
  let serving = false
  const crashes: string[] = []

  const gone = (process: ChildProcess | null) =>
    process === null || process.exitCode !== null || process.signalCode !== null
  const tail = () => readFileSync(output, 'utf8').split('\n').slice(-30).join('\n')

  async function end(signal: NodeJS.Signals): Promise<void> {
    serving = false
    const ending = child
    child = null
    if (!ending || gone(ending)) return
    const exit = once(ending, 'exit')
    ending.kill(signal)
    const late = setTimeout(() => ending.kill('SIGKILL'), 30_000)
    const [, by] = await exit
    clearTimeout(late)
    if (signal !== 'SIGKILL' && by === 'SIGKILL')
      throw new Error(`The hub did not end by ${signal} within 30 s:\n${tail()}`)
  }

  return {
    url,
    start() {
      const log = openSync(output, 'a')
      appendFileSync(log, `--- ${new Date().toISOString()} start\n`)
      const started = spawn(process.execPath, [program, 'up', '--no-welcome'], {
        cwd: folder,
        env: environment,
        stdio: ['ignore', log, log],
      })
      closeSync(log)
      started.once('exit', (code, signal) => {
        if (child !== started) return
        serving = false
        crashes.push(`The hub ended by itself (code ${code}, signal ${signal}):\n${tail()}`)
      })
      child = started
    },
    async serving() {
      const started = child
      for (const until = Date.now() + START_MS; ; await new Promise((resolve) => setTimeout(resolve, LOOK_MS))) {
        if (child !== started) throw new Error('The hub was ended while it started.')
        if (gone(started)) throw new Error(`The hub ended while it started:\n${tail()}`)
        if (await answers(url)) break
        if (Date.now() > until) throw new Error(`The hub does not answer after ${START_MS / 1000} s:\n${tail()}`)
      }
      serving = child === started
    },
    isServing: () => serving,
    pid() {
      if (child?.pid === undefined) throw new Error('The hub is not running.')
      return child.pid
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGINT'),
    command: async (...args) =>
      (await promisify(execFile)(process.execPath, [program, ...args], { cwd: folder, env: environment })).stdout,
    crashes: () => crashes,
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    // Not listening yet, or no longer.
    return false
  }
}
