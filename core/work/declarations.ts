import { inArray } from 'drizzle-orm'
import type { Actor } from '../access/actor.ts'
import { authorize } from '../access/policy.ts'
import type { Core, Declared } from '../core.ts'
import { type Db, notify } from '../database.ts'
import { faultMessage } from '../errors.ts'
import type { Log } from '../ports.ts'
import { users } from '../schema/index.ts'
import { scrubValue } from '../secrets/scrub-value.ts'
import type { Scrubber } from '../secrets/scrubber.ts'
import type {
  Agent,
  AgentDefinition,
  Health,
  RuntimeDefinition,
  RuntimeInfo,
  Schedule,
  ScheduleDefinition,
} from '../shapes.ts'
import { agentNoun, openRuns, toAgent } from './agents.ts'
import type { Kinds, RuntimeRow } from './bind.ts'
import {
  createDeclared,
  findDeclared,
  listDeclared,
  listVersions,
  type Noun,
  type Row,
  removeDeclared,
  updateDeclared,
} from './declared.ts'
import { CHANNEL } from './log.ts'
import type { Pool, Registered } from './pool.ts'
import { activeOn, runtimeNoun, storeHealth, toRuntime } from './runtimes.ts'
import { type ScheduleRow, scheduleNoun, startScheduled, toSchedule } from './schedules.ts'
import { readRun } from './shape.ts'

type Deps = { db: Db; kinds: Kinds; pool: Pool; log: Log; scrubber: Scrubber }
type Definition = AgentDefinition | RuntimeDefinition | ScheduleDefinition

/** Agents, runtimes and schedules as surfaces see them. */
export function createDeclarations(deps: Deps): Pick<Core, 'agents' | 'runtimes' | 'schedules'> {
  const { db, kinds, pool, log, scrubber } = deps
  const agent = agentNoun(kinds)
  const runtime = runtimeNoun(kinds)

  const shapeAgents = async (rows: Row<AgentDefinition>[]): Promise<Agent[]> => {
    const open = await openRuns(
      db,
      rows.map(({ id }) => id),
    )
    return rows.map((row) => toAgent(row, open.get(row.id)))
  }
  const shapeRuntimes = async (rows: Row<RuntimeDefinition>[]): Promise<RuntimeInfo[]> => {
    const active = await activeOn(
      db,
      rows.map(({ id }) => id),
    )
    // A row of the runtimes table, read through the type that the three tables share.
    return rows.map((row) => toRuntime(kinds, row as unknown as RuntimeRow, active.get(row.id) ?? 0))
  }
  const shapeSchedules = async (rows: Row<ScheduleDefinition>[]): Promise<Schedule[]> => {
    // A row of the schedules table, read through the type that the three tables share.
    const found = rows as unknown as ScheduleRow[]
    const owners =
      found.length === 0
        ? []
        : await db
            .select({ id: users.id, name: users.name })
            .from(users)
            .where(
              inArray(
                users.id,
                found.map(({ ownerId }) => ownerId),
              ),
            )
    return found.map((row) => toSchedule(row, owners.find(({ id }) => id === row.ownerId)?.name ?? row.ownerId))
  }

  async function check(registered: Registered): Promise<Health> {
    const health = await measure(pool, registered, { log, scrubber })
    await storeHealth(db, registered.id, health)
    return health
  }

  return {
    agents: verbs(deps, agent, shapeAgents),
    runtimes: {
      ...verbs(deps, runtime, shapeRuntimes),
      async check(actor, ref) {
        const row = await findDeclared(db, runtime, ref)
        authorize(actor, 'observe', { type: 'runtime', id: row.id })
        return await check(row)
      },
      kinds: () => [...kinds.values()].map(({ kind, title }) => ({ kind, title })),
    },
    schedules: {
      ...verbs(deps, scheduleNoun, shapeSchedules),
      async runNow(actor, ref, options = {}) {
        const row = await findDeclared(db, scheduleNoun, ref)
        authorize(actor, 'invoke', { type: 'schedule', id: row.id })
        const id = await startScheduled(db, kinds, row as unknown as ScheduleRow, options.requestKey)
        return await readRun(db, id)
      },
    },
  }
}

function verbs<D extends Definition, T>(
  { db, scrubber }: Deps,
  noun: Noun<D>,
  shape: (rows: Row<D>[]) => Promise<T[]>,
): Declared<T> {
  const one = async (row: Row<D>): Promise<T> => (await shape([row]))[0]!
  /** Definitions are shown to many: a secret typed into one is taken out before it is stored. */
  const clean = <V>(value: V): V => scrubValue(scrubber, value).value as V
  const changed = () => notify(db, CHANNEL, 'config:changed')
  return {
    async create(actor, input) {
      const row = await createDeclared(db, noun, actor, clean(input))
      await changed()
      return await one(row)
    },
    async update(actor, ref, patch) {
      const row = await updateDeclared(db, noun, actor, ref, clean(patch))
      await changed()
      return await one(row)
    },
    async remove(actor, ref) {
      await removeDeclared(db, noun, actor, ref)
      await changed()
    },
    async get(actor, ref) {
      const row = await findDeclared(db, noun, ref)
      authorize(actor, 'observe', { type: noun.type, id: row.id })
      return await one(row)
    },
    async list(actor, options = {}) {
      authorize(actor, 'observe', { type: 'hub', id: noun.type })
      const page = await listDeclared(db, noun, options, (row) => row)
      return { data: await shape(page.data), next_cursor: page.next_cursor }
    },
    async versions(actor: Actor, ref, options = {}) {
      authorize(actor, 'observe', { type: noun.type, id: ref })
      return await listVersions(db, noun, ref, options)
    },
  }
}

/** Asks the adapter, within 30 seconds; a failure is an answer too. Scrubbed, since it is stored and shown. */
export async function measure(
  pool: Pool,
  registered: Registered,
  io: { log: Log; scrubber: Scrubber; signal?: AbortSignal },
): Promise<Health> {
  return scrubValue(io.scrubber, await ask(pool, registered, io)).value as Health
}

async function ask(
  pool: Pool,
  registered: Registered,
  { log, signal }: { log: Log; signal?: AbortSignal },
): Promise<Health> {
  const timeout = AbortSignal.timeout(30_000)
  try {
    const runtime = await pool.open(registered)
    return await runtime.health({ signal: signal ? AbortSignal.any([signal, timeout]) : timeout, log })
  } catch (error) {
    return {
      status: 'down',
      version: null,
      models: [],
      message: faultMessage(error),
      remedy: 'Correct the settings of the runtime, then check it again.',
      checked_at: new Date().toISOString(),
    }
  }
}
