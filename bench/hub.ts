import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serve } from '@hono/node-server'
import type { Hono } from 'hono'
import { type Actor, createCore, type HubCore, type Log } from '../core/index.ts'
import { createDatabase } from '../test/postgres.ts'
import { webApp } from '../web/app.ts'
import { type InstantRuntime, instantRuntime } from './instant-runtime.ts'
import type { Place } from './line.ts'

export type BenchHub = {
  core: HubCore
  admin: Actor
  runtime: InstantRuntime
  url: string
  headers: Record<string, string>
  close(): Promise<void>
}

const silent: Log = { info() {}, warn() {}, error: (message, fields) => console.error(message, fields) }

/** A place for one hub's data, with a fresh database. */
export async function openPlace(
  place: Place,
): Promise<{ dataDir: string; databaseUrl?: string; remove(): Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'signalbox-bench-'))
  const database = place.databaseUrl === null ? null : await createDatabase(place.databaseUrl)
  return {
    dataDir,
    ...(database === null ? {} : { databaseUrl: database.url }),
    async remove() {
      await database?.drop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** Core with the instant runtime and an agent `instant` on it; `worker` false leaves its runs queued. */
export async function openBenchCore(data: { dataDir: string; databaseUrl?: string }, worker = true) {
  const runtime = instantRuntime()
  const { dataDir, databaseUrl } = data
  const core = await createCore({
    dataDir,
    kinds: [runtime.kind],
    log: silent,
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
  })
  const admin = await core.admin()
  const known = await core.runtimes.list(admin)
  if (known.data.length === 0) {
    await core.runtimes.create(admin, { name: 'instant', kind: 'instant', concurrency: 200 })
    await core.agents.create(admin, { name: 'instant', runtime: 'instant' })
  }
  if (worker) await core.startWorker()
  return { core, admin, runtime }
}

/** The same behind its REST API on a free port of this process: client and hub share its one thread, as they do not in life. */
export async function openBenchHub(place: Place): Promise<BenchHub> {
  const data = await openPlace(place)
  const { core, admin, runtime } = await openBenchCore(data)
  const { token } = await core.tokens.create(admin, { name: 'bench' })
  const served = await serveOn(webApp(core, { log: silent }))
  return {
    core,
    admin,
    runtime,
    url: served.url,
    headers: { authorization: `Bearer ${token}` },
    async close() {
      await served.close()
      await core.close()
      await data.remove()
    },
  }
}

/** Any app on a free port of 127.0.0.1. */
export async function serveOn(app: Pick<Hono, 'fetch'>): Promise<{ url: string; close(): Promise<void> }> {
  // The adapter's server type also covers HTTP/2, which is not asked for here.
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }) as Server
  await once(server, 'listening')
  // It listens on a port, so the address is not a pipe's name.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
