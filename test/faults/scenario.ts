import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startFaultAgent } from './agent.ts'
import { check } from './checker.ts'
import { type Door, openDoor, pause } from './door.ts'
import { type HubProcess, hubProcess } from './hub-process.ts'
import { startLoad } from './load.ts'
import type { SeenEvent, StoredRun } from './observed.ts'
import { seeded } from './random.ts'

export type Faults = {
  kills: number
  /** Decides what is asked for and when a hub is killed; the machine's own timing remains. */
  seed: number
  replicas: number
  /** A Postgres database that the replicas share; without it each hub has PGlite, so that there can be one only. */
  databaseUrl?: string
  clients?: number
  log?: (line: string) => void
}

export type FaultReport = {
  /** Broken promises; empty: passed. */
  problems: string[]
  figures: Record<string, number>
  /** Data and logs of the hubs; kept only when there are problems. */
  folder: string
}

/** After the last kill: how long what was accepted may take to come to its end. A lease of a dead replica is 15 s of it. */
const SETTLE_MS = 90_000
/** A hub under load shows something all the time; when nothing comes for so long, it is killed all the same. */
const QUIET_MS = 5_000

/** Hubs under load, killed at random moments by kill -9 and started again; then the promises are checked. */
export async function runFaults({
  kills,
  seed,
  replicas,
  databaseUrl,
  clients = 6,
  log = () => {},
}: Faults): Promise<FaultReport> {
  const random = seeded(seed)
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-faults-'))
  const agent = await startFaultAgent()
  const hubs: HubProcess[] = []
  const over = new AbortController()
  const started = Date.now()
  const restarts: number[] = []
  try {
    for (let number = 1; number <= replicas; number++) {
      const place = join(folder, `hub-${number}`)
      mkdirSync(place)
      const hub = await hubProcess(place, databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl })
      hubs.push(hub)
      hub.start()
      await hub.serving()
    }
    const { token } = JSON.parse(await hubs[0]!.command('token', '--json')) as { token: string }
    const door = openDoor(hubs, token, random, over.signal)
    await registerAgents(door, agent.url)
    const load = startLoad(door, { clients, agents: ['steady', 'fleeting'], random, signal: over.signal })

    for (let kill = 1; kill <= kills; kill++) {
      const hub = random.pick(hubs)
      await Promise.race([load.beats(random.between(1, 80)), pause(QUIET_MS)])
      await pause(random.between(0, 30))
      await killAndStart(hub)
      // Some die again while they start: in the middle of a migration, of adopting runs, of writing their files.
      while (kill < kills && random.chance(0.2)) {
        await pause(random.between(0, 1_000))
        await killAndStart(hub)
        kill += 1
      }
      const since = Date.now()
      await hub.serving()
      restarts.push(Date.now() - since)
      if (kill % 10 === 0) log(`${kill} kills, ${load.requests.length} requests, ${load.reconnects()} reconnects`)
    }

    const late = setTimeout(() => over.abort(), SETTLE_MS)
    await load.finish()
    clearTimeout(late)

    // What is judged comes from a hub that has nothing in memory.
    for (const hub of hubs) {
      await killAndStart(hub)
      await hub.serving()
    }
    const last = openDoor(hubs, token, random, AbortSignal.timeout(SETTLE_MS))
    const stored = await readAll(last)
    const observed = {
      requests: load.requests,
      watched: load.watched,
      agentRuns: agent.runs(),
      stored,
      durableAgents: ['steady'],
    }
    const problems = [...load.problems, ...hubs.flatMap((hub) => hub.crashes()), ...check(observed)]
    for (const hub of hubs) await hub.stop().catch((error: Error) => problems.push(error.message))
    if (problems.length === 0) rmSync(folder, { recursive: true, force: true })
    const shown = load.watched.reduce((sum, { events }) => sum + events.length, 0)
    const repeats = door.repeats()
    const figures = {
      kills,
      requests: load.requests.length,
      repeats,
      shown,
      reconnects: load.reconnects(),
      ...outcomes(stored),
    }
    return {
      problems,
      figures: { ...figures, restartMs: median(restarts), seconds: Math.round((Date.now() - started) / 1000) },
      folder,
    }
  } finally {
    over.abort()
    await Promise.all(hubs.map((hub) => hub.kill()))
    await agent.close()
  }
}

async function killAndStart(hub: HubProcess): Promise<void> {
  await hub.kill()
  hub.start()
}

/** `steady` keeps a run when its caller dies, `fleeting` loses it. */
async function registerAgents(door: Door, url: string): Promise<void> {
  const settings = { mode: 'stream', allow_private_addresses: true }
  const calls: [string, object][] = [
    ['/runtimes', { name: 'durable', kind: 'http', settings: { ...settings, url: `${url}/durable`, durable: true } }],
    ['/runtimes', { name: 'plain', kind: 'http', settings: { ...settings, url: `${url}/plain` } }],
    ['/agents', { name: 'steady', runtime: 'durable' }],
    ['/agents', { name: 'fleeting', runtime: 'plain' }],
  ]
  for (const [path, body] of calls) {
    const answer = await door.send('POST', path, body)
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  }
}

/** Every run with its whole log, as the API tells them. */
async function readAll(door: Door): Promise<StoredRun[]> {
  const found: StoredRun[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { data: StoredRun['run'][]; next_cursor: string | null } = await read(
      door,
      `/runs?limit=200${cursor && `&cursor=${cursor}`}`,
    )
    for (const { id } of page.data) {
      // Read on its own: the list may be older than what the run came to since.
      const run = await read<StoredRun['run']>(door, `/runs/${id}`)
      found.push({ run, events: await readLog(door, id) })
    }
    cursor = page.next_cursor
  }
  return found
}

async function readLog(door: Door, runId: string): Promise<SeenEvent[]> {
  const events: SeenEvent[] = []
  for (let after = 0; ; ) {
    const page = await read<{ events: SeenEvent[]; next_after: number }>(
      door,
      `/runs/${runId}/events?after=${after}&limit=200`,
    )
    if (page.events.length === 0) return events
    events.push(...page.events)
    after = page.next_after
  }
}

async function read<T>(door: Door, path: string): Promise<T> {
  const { status, body } = await door.send('GET', path)
  if (status !== 200) throw new Error(`GET ${path}: ${status} ${JSON.stringify(body)}`)
  // The wire contract, which the REST tests hold.
  return body as T
}

function outcomes(stored: StoredRun[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { run } of stored) {
    const word = run.error?.code ?? run.status
    counts[word] = (counts[word] ?? 0) + 1
  }
  return counts
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
