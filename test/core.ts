import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from '../core/database.ts'
import { type Actor, createCore, type HubCore, type Log, type RuntimeKind } from '../core/index.ts'
import { scriptedWorld } from './scripted-runtime.ts'

export const quiet: Log = { info() {}, warn() {}, error() {} }

export type TestCore = {
  core: HubCore
  admin: Actor
  /** A bearer token of the administrator. */
  token: string
  world: ReturnType<typeof scriptedWorld>
  dataDir: string
  close(): Promise<void>
}

/** A core with a worker on a database of its own, with the scripted runtime (registered as `scripted`) and an agent `echo` on it. */
export async function openTestCore(
  options: {
    kinds?: RuntimeKind[]
    databaseUrl?: string
    database?: Database
    worker?: boolean
    /** False: another core on the same database makes the agent. */
    agent?: boolean
    world?: ReturnType<typeof scriptedWorld>
    log?: Log
    env?: Record<string, string>
  } = {},
): Promise<TestCore> {
  const dataDir = await mkdtemp(join(tmpdir(), 'signalbox-core-'))
  const world = options.world ?? scriptedWorld()
  const core = await createCore({
    dataDir,
    kinds: [world.kind, ...(options.kinds ?? [])],
    log: options.log ?? quiet,
    ...(options.databaseUrl ? { databaseUrl: options.databaseUrl } : {}),
    ...(options.database ? { database: options.database } : {}),
    ...(options.env ? { env: options.env } : {}),
  })
  const admin = await core.admin()
  if ((options.agent ?? true) && (await core.isEmpty()))
    await core.agents.create(admin, { name: 'echo', runtime: 'scripted' })
  const { token } = await core.tokens.create(admin, { name: 'test' })
  if (options.worker ?? true) await core.startWorker()
  return {
    core,
    admin,
    token,
    world,
    dataDir,
    async close() {
      await core.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
