import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync } from 'node:fs'
import { readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HubError, type Log } from '../../core/index.ts'
import type { Binary } from './binary.ts'
import { delay } from './delay.ts'
import { type Home, serverEnvironment } from './home.ts'
import { descendants, endProcess, type Identity, isAlive, signal, startTime, workingIn } from './processes.ts'

/** How to speak to the running server. `instance` changes with every start. */
export type Address = { url: string; password: string; instance: string }

export type Server = ReturnType<typeof superviseServer>

type State = Identity & { instance: string; port: number; digest: string }

export type Timings = {
  /** The server ends itself when the hub has been gone for so long. */
  hubTimeoutMs: number
  /** How long a start may take: 7.6 s were seen on a busy machine. */
  readyMs: number
  /** Waits before the starts that follow a failure; after the last one nothing is tried until somebody needs the server. */
  backoffMs: number[]
  /** A server that ran for so long was healthy: its end counts as the first failure again. */
  steadyMs: number
}

const timings: Timings = {
  hubTimeoutMs: 60_000,
  readyMs: 30_000,
  backoffMs: [500, 1_000, 2_000, 4_000, 8_000, 16_000],
  steadyMs: 60_000,
}

const WATCH_MS = 500

/**
 * Keeps one OpenCode server running, apart from the hub's own process: it outlives a hub that crashes and is taken over by the next
 * (same pid, same start time, answers to the password in the file), and ends itself when no hub comes. A server that ends is started
 * again, each time later.
 */
export function superviseServer(input: { binary: Binary; home: Home; log: Log; timings?: Partial<Timings> }) {
  const { binary, home, log } = input
  const times = { ...timings, ...input.timings }
  let running: { state: State; address: Address; since: number } | null = null
  let starting: Promise<Address> | null = null
  let failures = 0
  let lastError: string | null = null
  let closed = false
  /** A server of another version, plugin or environment is not taken over. */
  const digest = createHash('sha256')
    .update(JSON.stringify([binary, home.pluginDigest, serverEnvironment(home, { password: '', heartbeat: '' })]))
    .digest('hex')
  const beat = setInterval(() => void touchHeartbeat(), Math.min(5_000, times.hubTimeoutMs / 4))
  const watch = setInterval(() => lookAfter(), WATCH_MS)
  beat.unref()
  watch.unref()

  /** The running server; starts it where there is none. Throws runtime_unavailable when it cannot be started. */
  function ensure(): Promise<Address> {
    if (running && isAlive(running.state)) return Promise.resolve(running.address)
    if (closed) return Promise.reject(new HubError('runtime_unavailable', 'The inline harness is stopped.'))
    starting ??= begin().finally(() => {
      starting = null
    })
    return starting
  }

  async function begin(): Promise<Address> {
    running = null
    // What somebody asks for now is tried at least once, however often it failed before.
    if (failures > times.backoffMs.length) failures = times.backoffMs.length
    for (;;) {
      if (failures > 0) await delay(times.backoffMs[failures - 1]!)
      if (closed) throw new HubError('runtime_unavailable', 'The inline harness is stopped.')
      try {
        const found = (await adopt()) ?? (await launch())
        running = { ...found, since: Date.now() }
        lastError = null
        await touchHeartbeat()
        return found.address
      } catch (error) {
        failures++
        lastError = error instanceof Error ? error.message : String(error)
        log.error('the inline harness did not start', { error: lastError, failures })
        if (failures > times.backoffMs.length)
          throw new HubError('runtime_unavailable', `The inline harness does not start: ${lastError}`, { cause: error })
      }
    }
  }

  /** Takes over the server of an earlier hub, if it is that one and answers. Any other is ended, so that there is one. */
  async function adopt(): Promise<{ state: State; address: Address } | null> {
    const state = await readState(home.state)
    if (!state || !isAlive(state)) return null
    const address = {
      url: `http://127.0.0.1:${state.port}`,
      password: (await readFile(home.password, 'utf8').catch(() => '')).trim(),
      instance: state.instance,
    }
    if (state.digest === digest && (await answers(address))) {
      log.info('took over the inline harness of an earlier start', { pid: state.pid })
      return { state, address }
    }
    log.warn('ending an inline harness that does not fit', { pid: state.pid })
    await end(state)
    return null
  }

  async function launch(): Promise<{ state: State; address: Address }> {
    for (const left of workingIn(home.workspaces)) signal(left, 'SIGKILL')
    const instance = randomBytes(8).toString('hex')
    const password = randomBytes(32).toString('base64url')
    const heartbeat = join(home.heartbeats, instance)
    for (const old of await readdir(home.heartbeats)) await rm(join(home.heartbeats, old), { force: true })
    await writeFile(heartbeat, String(times.hubTimeoutMs), { mode: 0o600 })
    await writeFile(home.password, password, { mode: 0o600 })
    const output = openSync(home.log, 'w', 0o600)
    const [program, ...args] = guarded(
      [binary.path, 'serve', '--hostname', '127.0.0.1', '--port', '0', '--log-level', 'WARN'],
      readyFileOf(heartbeat),
      times,
    )
    const child = spawn(program!, args, {
      cwd: home.idle,
      env: serverEnvironment(home, { password, heartbeat }),
      stdio: ['ignore', output, output],
      detached: true,
    })
    closeSync(output)
    const failed = new Promise<never>((_, reject) => child.once('error', reject))
    // Without a listener of its own a failed spawn would end the hub.
    failed.catch(() => {})
    child.once('exit', () => lookAfter())
    child.unref()
    const pid = child.pid ?? (await failed)
    const startedAt = startTime(pid)
    if (startedAt === null) throw new Error(`it ended at once: ${await lastWords()}`)
    const identity = { pid, startedAt }
    try {
      const port = await listeningPort(identity)
      const state: State = { ...identity, instance, port, digest }
      await replaceFile(home.state, JSON.stringify(state))
      const address = { url: `http://127.0.0.1:${port}`, password, instance }
      await until(() => answers(address), identity)
      // The plugin watches over the hub's life and holds the tools; it is loaded with the first instance.
      const url = `${address.url}/path?directory=${encodeURIComponent(home.idle)}`
      await fetch(url, { headers: headersOf(address), signal: AbortSignal.timeout(times.readyMs) })
      await until(() => Promise.resolve(existsSync(readyFileOf(heartbeat))), identity)
      return { state, address }
    } catch (error) {
      await endProcess(identity)
      throw error
    }
  }

  async function listeningPort(identity: Identity): Promise<number> {
    let port = 0
    await until(async () => {
      port = Number(/listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(await readFile(home.log, 'utf8'))?.[1] ?? 0)
      return port !== 0
    }, identity)
    return port
  }

  async function until(done: () => Promise<boolean>, identity: Identity): Promise<void> {
    const deadline = Date.now() + times.readyMs
    while (!(await done())) {
      if (!isAlive(identity)) throw new Error(`it ended while it started: ${await lastWords()}`)
      if (Date.now() > deadline)
        throw new Error(`it was not ready within ${times.readyMs / 1000} seconds: ${await lastWords()}`)
      await delay(25)
    }
  }

  async function lastWords(): Promise<string> {
    const text = await readFile(home.log, 'utf8').catch(() => '')
    return text.trim().slice(-500) || 'it said nothing'
  }

  function lookAfter(): void {
    if (closed || !running || isAlive(running.state)) return
    failures = Date.now() - running.since >= times.steadyMs ? 1 : failures + 1
    lastError = 'it ended by itself'
    log.warn('the inline harness ended by itself', { pid: running.state.pid })
    running = null
    // Whoever waits for it hears of a failure; begin() has logged it.
    ensure().catch(() => {})
  }

  async function touchHeartbeat(): Promise<void> {
    if (!running) return
    const now = new Date()
    await utimes(join(home.heartbeats, running.state.instance), now, now).catch((error: unknown) =>
      log.warn('cannot tell the inline harness that the hub lives', { error: String(error) }),
    )
  }

  /** Ends a server and the commands that it runs. */
  async function end(identity: Identity): Promise<void> {
    const commands = descendants(identity.pid)
    await endProcess(identity)
    for (const command of [...commands, ...workingIn(home.workspaces)]) signal(command, 'SIGKILL')
  }

  return {
    ensure,
    current: (): Address | null => running?.address ?? null,
    /** Null while it runs or starts; what is wrong, else. */
    trouble: (): string | null => (running || (failures === 0 && lastError === null) ? null : lastError),
    async close(): Promise<void> {
      if (closed) return
      closed = true
      clearInterval(beat)
      clearInterval(watch)
      await starting?.catch(() => {})
      const state = running?.state ?? null
      running = null
      if (state) await end(state)
      await rm(home.state, { force: true })
      await rm(home.password, { force: true })
    },
  }
}

/** Made by the plugin, from when on it watches over the hub's life. */
const readyFileOf = (heartbeat: string) => `${heartbeat}.ready`

/**
 * The command, with a guard that ends it when the plugin does not come: a hub that is killed while it starts a server would else
 * leave one that nobody watches. The guard is started in one go with the server, and leaves when the plugin is there.
 */
function guarded(command: string[], ready: string, times: Timings): string[] {
  if (process.platform === 'win32') return command
  const seconds = Math.ceil((times.readyMs + times.hubTimeoutMs) / 1_000)
  const guard = `n=0; while [ $n -lt ${seconds} ]; do /bin/sleep 1; n=$((n+1)); [ -e "$ready" ] && exit 0; kill -0 $$ || exit 0; done; kill -9 $$`
  return [
    '/bin/sh',
    '-c',
    `ready=$1; shift; (${guard}) </dev/null >/dev/null 2>&1 & exec "$@"`,
    'sh',
    ready,
    ...command,
  ]
}

export const headersOf = ({ password }: Address) => ({
  authorization: `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`,
})

async function answers(address: Address): Promise<boolean> {
  try {
    const response = await fetch(`${address.url}/global/health`, {
      headers: headersOf(address),
      signal: AbortSignal.timeout(5_000),
    })
    return response.ok
  } catch {
    return false
  }
}

async function readState(file: string): Promise<State | null> {
  if (!existsSync(file)) return null
  try {
    // Written by this file only.
    return JSON.parse(await readFile(file, 'utf8')) as State
  } catch {
    return null
  }
}

async function replaceFile(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content, { mode: 0o600 })
  await rename(`${file}.new`, file)
}
