import { randomUUID } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import type { Actor } from './access/actor.ts'
import { authorize } from './access/policy.ts'
import { authenticate, createToken, ensureUser, listTokens, revokeToken } from './access/tokens.ts'
import { createConfig } from './config/apply.ts'
import type { Core } from './core.ts'
import { type Database, openDatabase } from './database.ts'
import { faultMessage, HubError } from './errors.ts'
import { abandonRequest, beginRequest, finishRequest } from './idempotency.ts'
import { packageVersion } from './package-root.ts'
import type { Log, RuntimeKind } from './ports.ts'
import { readSecretFile, resolveSecret } from './secrets/resolve.ts'
import { createScrubber } from './secrets/scrubber.ts'
import { createDeclarations } from './work/declarations.ts'
import { createFeed, stateTopic } from './work/feed.ts'
import { createFileStore } from './work/files.ts'
import { inboxTopic, readInbox, receiveEvents } from './work/inbox.ts'
import { CHANNEL } from './work/log.ts'
import { createPool } from './work/pool.ts'
import { ensureBuiltIns } from './work/runtimes.ts'
import type { ModelEndpoint } from './work/turn.ts'
import { startUpkeep } from './work/upkeep.ts'
import { recordModelCall, resolveSessionToken, usageReport } from './work/usage.ts'
import { approvalsOf, runsOf, sessionsOf, toDate } from './work/work.ts'
import { startWorker, type Worker } from './work/worker.ts'

export type CoreOptions = {
  /** Exists or is made, 0700; holds the database (without `databaseUrl`), files and what runtimes keep. The caller has it locked. */
  dataDir: string
  kinds: RuntimeKind[]
  log: Log
  /** A Postgres server; without it PGlite in the data folder. */
  databaseUrl?: string
  /** Where the outside reaches this hub. */
  publicUrl?: string
  /** `provider/model` for agents that name none. */
  defaultModel?: string
  /** For `env:` references. */
  env?: Record<string, string | undefined>
  /** An opened database instead of one of its own; core closes it. */
  database?: Database
}

/** The hub's own hand, for what it does unasked: first start, configuration at start. */
export type HubCore = Core & {
  /** The first administrator, made on an empty database. */
  admin(): Promise<Actor>
  /** True while nobody has declared an agent yet. */
  isEmpty(): Promise<boolean>
  /** Values that must never be shown: the hub's own tokens and keys. */
  keepSecret(value: string, kind: string): void
  /** Stops claiming, gives up what it holds and ends what runtimes have started; the rest goes on answering until `close`. */
  stopWorker(): Promise<void>
}

export async function createCore(options: CoreOptions): Promise<HubCore> {
  const { dataDir, log, env = {} } = options
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const kinds = new Map(options.kinds.map((kind) => [kind.kind, kind]))
  const scrubber = createScrubber()
  const database =
    options.database ??
    (await openDatabase(options.databaseUrl ? { url: options.databaseUrl } : { folder: join(dataDir, 'database') }))
  const { db } = database
  const placement = await placementOf(dataDir)
  const feed = createFeed(db)
  const config = createConfig({ db, kinds, scrubber })
  const files = createFileStore({ db, folder: join(dataDir, 'files'), scrubber, limits: config.fileLimits })
  let modelEndpoint: ModelEndpoint | null = null
  let worker: Worker | null = null
  let stopUpkeep: (() => Promise<void>) | null = null

  const secret = async (reference: string): Promise<string> => {
    const value = await resolveSecret(reference, {
      env,
      // The hub's own keys and database are nobody's secret to use.
      readFile: (path) => readSecretFile(path, { refuse: [dataDir] }),
    })
    scrubber.add(value, 'secret')
    return value
  }
  const pool = createPool({
    kinds,
    dataDir,
    log,
    resolveSecret: secret,
    inbox: (runId, after, signal) => readInbox(db, feed, runId, after, signal),
  })

  await ensureBuiltIns(db, kinds)
  await config.load()
  const unlisten = await database.listen(CHANNEL, heard)

  /** What any replica has committed. */
  function heard(payload: string): void {
    const [word = '', id = '', number] = payload.split(':')
    switch (word) {
      case 'event':
        feed.heard(id, Number(number))
        break
      case 'queued':
        worker?.wake()
        break
      case 'state':
        feed.heard(stateTopic(id), 0)
        break
      case 'settled':
        feed.heard(stateTopic(id), 0)
        feed.heard(id, 0)
        worker?.wake()
        break
      case 'message':
        worker?.message(id)
        feed.heard(stateTopic(id), 0)
        break
      case 'inbox':
        feed.heard(inboxTopic(id), 0)
        break
      case 'config':
        void config
          .load()
          .catch((error: unknown) => log.error('reading the configuration failed', { error: faultMessage(error) }))
        break
    }
  }

  async function stopWorker(): Promise<void> {
    await Promise.all([stopUpkeep?.(), worker?.stop()])
    await pool.close()
  }

  const deps = { db, kinds, feed, scrubber, files }
  return {
    version: packageVersion(),

    authenticate: (token, surface) => authenticate(db, token, surface),
    tokens: {
      create: (actor, input) => createToken(db, actor, input),
      list: (actor) => listTokens(db, actor),
      revoke: (actor, id) => revokeToken(db, actor, id),
    },

    ...createDeclarations({ db, kinds, pool, log, scrubber }),
    runs: runsOf(deps),
    sessions: sessionsOf(deps),
    approvals: approvalsOf(deps),
    files: { create: files.create, get: files.get, read: files.open },
    async usage(actor, { by, since }) {
      authorize(actor, 'observe', { type: 'hub', id: 'usage' })
      return await usageReport(db, by, since === undefined ? null : toDate(since))
    },
    config: { validate: config.validate, plan: config.plan, apply: config.apply },

    scrub: (text) => scrubber.scrub(text).text,
    resolveSecret: secret,
    gateway: {
      session: (token, purpose) => resolveSessionToken(db, token, purpose),
      setModelEndpoint(baseUrl, apis = {}) {
        modelEndpoint = { baseUrl, apis }
      },
      record: (runId, call) => recordModelCall(db, runId, call),
    },
    async receiveCallback(runtimeId, request) {
      const runtime = await pool.open(await config.runtimeById(runtimeId))
      if (!runtime.receive) throw new HubError('runtime_cannot', 'This runtime takes no callbacks.')
      const { runId, events } = await runtime.receive(request)
      await receiveEvents(db, runtimeId, runId, events)
      return { status: 202 }
    },
    idempotency: {
      begin: (key, digest) => beginRequest(db, key, digest),
      finish: (key, status, response) => finishRequest(db, key, status, response),
      abandon: (key) => abandonRequest(db, key),
    },
    async ready() {
      try {
        await db.execute(sql`select 1`)
        return { ok: true }
      } catch (error) {
        return {
          ok: false,
          message: scrubber.scrub(`The database does not answer: ${faultMessage(error)}`).text,
        }
      }
    },

    async admin() {
      const { id: userId, name } = await ensureUser(db, { name: 'admin', admin: true })
      return { userId, name, admin: true, teams: [], surface: 'hub', onBehalfOf: null }
    },
    isEmpty: config.isEmpty,
    keepSecret(value, kind) {
      scrubber.add(value, kind)
    },

    async startWorker() {
      worker = await startWorker({
        database,
        kinds,
        feed,
        pool,
        scrubber,
        log,
        holder: `${placement}:${randomUUID()}`,
        placement,
        limits: config.limits,
        settings: () => ({
          modelEndpoint,
          defaultModel: options.defaultModel ?? null,
          publicUrl: options.publicUrl ?? null,
        }),
        files: { read: files.content, save: files.saveArtifact },
      })
      stopUpkeep = startUpkeep({ db, kinds, log, files, feed, pool, scrubber, placement })
    },
    stopWorker,
    async close() {
      await stopWorker()
      await unlisten().catch(() => {})
      await database.close()
    },
  }
}

/** Names this data folder among all replicas: sessions that live in its harness come back to it after a restart. */
async function placementOf(dataDir: string): Promise<string> {
  const file = join(dataDir, 'placement')
  const known = await readFile(file, 'utf8').catch(() => null)
  if (known) return known.trim()
  const fresh = `plc_${randomUUID()}`
  await writeFile(file, `${fresh}\n`, { mode: 0o600 })
  return fresh
}
