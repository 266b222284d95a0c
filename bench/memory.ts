import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { promptOf, startFaultAgent } from '../test/faults/agent.ts'
import { hubProcess } from '../test/faults/hub-process.ts'
import { createDatabase } from '../test/postgres.ts'
import { post } from './client.ts'
import type { Bench } from './line.ts'

const SESSIONS = 1_000
const AT_ONCE = 20
const root = fileURLToPath(new URL('..', import.meta.url))

/** Resident memory of the built hub, as `npm start` runs it: idle, and idle again after 1,000 sessions with a run each. */
export const bench: Bench = {
  name: 'memory',
  places: true,
  async run(place) {
    if (!existsSync(join(root, 'dist/cli/main.js'))) await promisify(execFile)('npm', ['run', 'build'], { cwd: root })
    const folder = mkdtempSync(join(tmpdir(), 'signalbox-bench-'))
    const database = place.databaseUrl === null ? null : await createDatabase(place.databaseUrl)
    const agent = await startFaultAgent()
    const hub = await hubProcess(folder, database === null ? {} : { DATABASE_URL: database.url })
    try {
      const bare = await bareHono()
      hub.start()
      await hub.serving()
      const idle = await settled(hub.pid())
      const beside = children(hub.pid()).reduce((sum, pid) => sum + residentMB(pid), 0)
      const { token } = JSON.parse(await hub.command('token', '--json')) as { token: string }
      await fill(`${hub.url}/api/v1`, { authorization: `Bearer ${token}` }, agent.url)
      const filled = await settled(hub.pid())
      const baseline = { name: 'a Node process with hono and nothing else', value: bare }
      return [
        { name: `hub, idle, ${place.name}`, value: idle, unit: 'MB', baseline, ratio: idle / bare },
        ...(beside > 0
          ? [{ name: `processes that the hub started, idle, ${place.name}`, value: beside, unit: 'MB' }]
          : []),
        {
          name: `hub with ${SESSIONS.toLocaleString('en-US')} idle sessions, ${place.name}`,
          value: filled,
          unit: 'MB',
          baseline: { name: 'the same hub before', value: idle },
          ratio: filled / idle,
        },
        { name: `for one more idle session, ${place.name}`, value: ((filled - idle) / SESSIONS) * 1024, unit: 'KB' },
      ]
    } finally {
      await hub.stop()
      await agent.close()
      await database?.drop()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

/** 1,000 sessions, each with one run of an agent elsewhere, all over when it returns. */
async function fill(api: string, headers: Record<string, string>, agentUrl: string): Promise<void> {
  const settings = { url: `${agentUrl}/durable`, mode: 'stream', durable: true, allow_private_addresses: true }
  await post(`${api}/runtimes`, { name: 'elsewhere', kind: 'http', settings }, headers)
  await post(`${api}/agents`, { name: 'brief', runtime: 'elsewhere' }, headers)
  let left = SESSIONS
  const client = async () => {
    while (left > 0) {
      left -= 1
      const run = await post<{ status: string }>(
        `${api}/runs`,
        { agent: 'brief', prompt: promptOf(3, 1), wait_seconds: 40 },
        headers,
      )
      if (run.status !== 'succeeded') throw new Error(`a run is ${run.status}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, client))
}

async function bareHono(): Promise<number> {
  const source = `import { serve } from '@hono/node-server'; import { Hono } from 'hono'; serve({ fetch: new Hono().fetch, hostname: '127.0.0.1', port: 0 }, () => console.log('up'))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await once(child.stdout!, 'data')
    return await settled(child.pid!)
  } finally {
    child.kill()
  }
}

const SAME_MB = 1
const EVERY_MS = 1_000

/** Resident memory once it no longer changes: three looks in a row within 1 MB, at most a minute. */
async function settled(pid: number): Promise<number> {
  const looks: number[] = []
  for (let look = 0; look < 60; look++) {
    looks.push(residentMB(pid))
    const last = looks.slice(-3)
    if (last.length === 3 && Math.max(...last) - Math.min(...last) <= SAME_MB) break
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
  }
  return looks.at(-1)!
}

function residentMB(pid: number): number {
  const [, kB] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kB ?? 0) / 1024
}

function children(pid: number): number[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
  const direct = pids.filter((other) => {
    try {
      return readFileSync(`/proc/${other}/status`, 'utf8').includes(`\nPPid:\t${pid}\n`)
    } catch {
      // Ended while we looked.
      return false
    }
  })
  return direct.flatMap((child) => [child, ...children(child)])
}
