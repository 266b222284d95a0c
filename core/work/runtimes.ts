import { and, eq, inArray, isNull, sql } from 'drizzle-orm'
import { authorize } from '../access/policy.ts'
import type { Db } from '../database.ts'
import { HubError } from '../errors.ts'
import { newId } from '../id.ts'
import { parse } from '../parse.ts'
import { agents, runs, runtimes, versions } from '../schema/index.ts'
import { type Health, RuntimeDefinition, type RuntimeInfo } from '../shapes.ts'
import { requireTeam } from './agents.ts'
import { capabilitiesOf, type Kinds, type RuntimeRow } from './bind.ts'
import { asDeclared, type Noun, toDeclared } from './declared.ts'

const OPEN = ['queued', 'running', 'awaiting_input'] as const

export function runtimeNoun(kinds: Kinds): Noun<RuntimeDefinition> {
  return {
    type: 'runtime',
    prefix: 'rtm',
    notFound: 'runtime_not_found',
    table: asDeclared(runtimes),
    schema: RuntimeDefinition,
    async prepare(db, name, definition, { actor }) {
      const kind = kinds.get(definition.kind)
      if (!kind) {
        throw new HubError('invalid_request', `Runtime ${name}: there is no kind ${definition.kind}.`, {
          hint: `Kinds of this hub: ${[...kinds.keys()].join(', ')}.`,
        })
      }
      parse(kind.settings, definition.settings, `The settings of runtime ${name}`)
      // Whoever names a secret here can have it sent to where the settings point.
      if (/"(env|file):/.test(JSON.stringify(definition.settings)))
        authorize(actor, 'administer', { type: 'runtime', id: name })
      await requireTeam(db, definition.team)
      return { concurrency: definition.concurrency ?? null }
    },
    async release(db, row) {
      const [agent] = await db
        .select({ name: agents.name })
        .from(agents)
        .where(
          sql`${agents.deletedAt} is null and (${agents.definition}->>'runtime' = ${row.name} or ${agents.definition}->'runtime'->'any' ? ${row.name})`,
        )
      if (agent) throw new HubError('in_use', `Agent ${agent.name} runs on runtime ${row.name}.`)
      const [run] = await db
        .select({ id: runs.id })
        .from(runs)
        .where(and(eq(runs.runtimeId, row.id), inArray(runs.status, [...OPEN])))
        .limit(1)
      if (run) throw new HubError('in_use', `Runtime ${row.name} is at work on ${run.id}.`)
    },
  }
}

/** The runtimes that every hub has, by name. */
export function builtInRuntimes(kinds: Kinds): Record<string, RuntimeDefinition> {
  const found = [...kinds.values()].flatMap(({ kind, title, builtIn }) =>
    builtIn === undefined ? [] : [[builtIn, RuntimeDefinition.parse({ kind, description: title })] as const],
  )
  return Object.fromEntries(found)
}

/** Registers them, where nobody took their name. */
export async function ensureBuiltIns(db: Db, kinds: Kinds): Promise<void> {
  for (const [name, definition] of Object.entries(builtInRuntimes(kinds))) {
    const [row] = await db
      .insert(runtimes)
      .values({ id: newId('rtm'), name, version: 1, definition, managedBy: 'hub' })
      .onConflictDoNothing()
      .returning({ id: runtimes.id })
    if (row) await db.insert(versions).values({ subjectId: row.id, version: 1, definition, createdBy: 'hub' })
  }
}

export async function storeHealth(db: Db, runtimeId: string, health: Health): Promise<void> {
  await db.update(runtimes).set({ health }).where(eq(runtimes.id, runtimeId))
}

export async function liveRuntimes(db: Db): Promise<RuntimeRow[]> {
  return db.select().from(runtimes).where(isNull(runtimes.deletedAt))
}

/** Runs at work on each runtime, in one statement. */
export async function activeOn(db: Db, runtimeIds: string[]): Promise<Map<string, number>> {
  if (runtimeIds.length === 0) return new Map()
  const found = await db
    .select({ id: runs.runtimeId, active: sql<number>`count(*)::int` })
    .from(runs)
    .where(and(inArray(runs.runtimeId, runtimeIds), inArray(runs.status, ['running', 'awaiting_input'])))
    .groupBy(runs.runtimeId)
  return new Map(found.map(({ id, active }) => [id, active]))
}

const UNKNOWN: Health = { status: 'unknown', version: null, models: [], message: null, remedy: null, checked_at: null }

export function toRuntime(kinds: Kinds, row: RuntimeRow, active: number): RuntimeInfo {
  return {
    ...toDeclared(row),
    ...row.definition,
    capabilities: capabilitiesOf(kinds, row),
    health: row.health ?? UNKNOWN,
    active_runs: active,
  }
}
