import { and, asc, desc, eq, gt, isNull, lt, or, sql } from 'drizzle-orm'
import type * as z from 'zod'
import type { Actor } from '../access/actor.ts'
import { authorize } from '../access/policy.ts'
import type { DefinitionInput, DefinitionPatch, ListOptions } from '../core.ts'
import { type Db, uniqueViolation } from '../database.ts'
import { type ErrorCode, HubError } from '../errors.ts'
import { newId } from '../id.ts'
import { fromCursor, pageSize, toPage } from '../page.ts'
import { parse } from '../parse.ts'
import { type agents, type runtimes, type schedules, versions } from '../schema/index.ts'
import {
  type AgentDefinition,
  Name,
  type Page,
  type RuntimeDefinition,
  type ScheduleDefinition,
  type Version,
} from '../shapes.ts'

/** Agents, runtimes and schedules: the same life, told apart by this. */
export type Noun<D extends AgentDefinition | RuntimeDefinition | ScheduleDefinition> = {
  type: 'agent' | 'runtime' | 'schedule'
  prefix: string
  notFound: ErrorCode
  /** All three tables share the columns that this file uses, so that one of them stands for their type. */
  table: typeof agents
  schema: z.ZodType<D>
  /** Throws when what the definition refers to is missing or cannot do it; returns the columns that are copies of its fields. */
  prepare(db: Db, name: string, definition: D, by: { actor: Actor; isNew: boolean }): Promise<Record<string, unknown>>
  /** Throws in_use while something refers to it. */
  release(db: Db, row: Row<D>): Promise<void>
}

export type Row<D> = Omit<typeof agents.$inferSelect, 'definition' | 'concurrency' | 'number'> & { definition: D }

/** The three tables seen as one: `declared()` in the schema gives each the columns used here. */
export const asDeclared = (table: typeof agents | typeof runtimes | typeof schedules) => table as typeof agents

export type Managed = 'api' | 'config' | 'hub'

export async function createDeclared<D extends AgentDefinition | RuntimeDefinition | ScheduleDefinition>(
  db: Db,
  noun: Noun<D>,
  actor: Actor,
  input: DefinitionInput,
  managedBy: Managed = 'api',
): Promise<Row<D>> {
  authorize(actor, 'edit', { type: noun.type, id: String(input.name) })
  const { name: rawName, ...fields } = input
  const name = parse(Name, rawName, `The name of the ${noun.type}`)
  const definition = parse(noun.schema, fields, `The ${noun.type} ${name}`)
  try {
    return await db.transaction(async (tx) => {
      const columns = await noun.prepare(tx, name, definition, { actor, isNew: true })
      const [row] = await tx
        .insert(noun.table)
        // The definition is of this noun's schema; the table type stands for three.
        .values({
          ...columns,
          id: newId(noun.prefix),
          name,
          version: 1,
          definition: definition as AgentDefinition,
          managedBy,
        })
        .returning()
      await tx.insert(versions).values({ subjectId: row!.id, version: 1, definition, createdBy: actor.name })
      return row as unknown as Row<D>
    })
  } catch (error) {
    if (uniqueViolation(error) === null) throw error
    throw new HubError('name_taken', `The name ${name} is taken by another ${noun.type}.`, { cause: error })
  }
}

export async function updateDeclared<D extends AgentDefinition | RuntimeDefinition | ScheduleDefinition>(
  db: Db,
  noun: Noun<D>,
  actor: Actor,
  ref: string,
  input: DefinitionPatch,
): Promise<Row<D>> {
  const { version, ...patch } = input
  const merge = (before: D) =>
    Object.fromEntries(Object.entries({ ...before, ...patch }).filter(([, value]) => value !== null))
  return await change(db, noun, actor, ref, 'api', merge, version)
}

/** The whole definition anew; takes over what another hand made. */
export async function replaceDeclared<D extends AgentDefinition | RuntimeDefinition | ScheduleDefinition>(
  db: Db,
  noun: Noun<D>,
  actor: Actor,
  ref: string,
  definition: Record<string, unknown>,
  managedBy: Managed,
): Promise<Row<D>> {
  return await change(db, noun, actor, ref, managedBy, () => definition)
}

async function change<D extends AgentDefinition | RuntimeDefinition | ScheduleDefinition>(
  db: Db,
  noun: Noun<D>,
  actor: Actor,
  ref: string,
  managedBy: Managed,
  next: (before: D) => Record<string, unknown>,
  version?: number,
): Promise<Row<D>> {
  return await db.transaction(async (tx) => {
    const row = await findDeclared(tx, noun, ref, { lock: true })
    authorize(actor, 'edit', { type: noun.type, id: row.id })
    if (row.managedBy === 'config' && managedBy === 'api') {
      throw new HubError('managed_by_config', `The ${noun.type} ${row.name} is declared in signalbox.yaml.`)
    }
    if (version !== undefined && version !== row.version) {
      throw new HubError(
        'version_conflict',
        `The ${noun.type} ${row.name} is at version ${row.version}, not ${version}.`,
      )
    }
    const definition = parse(noun.schema, next(row.definition), `The ${noun.type} ${row.name}`)
    const columns = await noun.prepare(tx, row.name, definition, { actor, isNew: false })
    const unchanged = canonical(definition) === canonical(row.definition)
    if (unchanged && row.managedBy === managedBy) return row
    const number = unchanged ? row.version : row.version + 1
    const [updated] = await tx
      .update(noun.table)
      .set({ ...columns, version: number, definition: definition as AgentDefinition, managedBy, updatedAt: sql`now()` })
      .where(and(eq(noun.table.id, row.id), eq(noun.table.version, row.version)))
      .returning()
    if (!unchanged)
      await tx.insert(versions).values({ subjectId: row.id, version: number, definition, createdBy: actor.name })
    return updated as unknown as Row<D>
  })
}

export async function removeDeclared<D extends AgentDefinition | RuntimeDefinition | ScheduleDefinition>(
  db: Db,
  noun: Noun<D>,
  actor: Actor,
  ref: string,
  managedBy: Managed = 'api',
): Promise<void> {
  await db.transaction(async (tx) => {
    const row = await findDeclared(tx, noun, ref, { lock: true })
    authorize(actor, 'edit', { type: noun.type, id: row.id })
    if (row.managedBy !== managedBy) {
      if (row.managedBy === 'hub')
        throw new HubError('in_use', `The ${noun.type} ${row.name} is built in.`, {
          hint: 'Leave it; agents need not use it.',
        })
      throw new HubError('managed_by_config', `The ${noun.type} ${row.name} is declared in signalbox.yaml.`)
    }
    await noun.release(tx, row)
    await tx.update(noun.table).set({ deletedAt: sql`now()` }).where(eq(noun.table.id, row.id))
  })
}

/** By name among those that live, or by id. */
export async function findDeclared<D extends AgentDefinition | RuntimeDefinition | ScheduleDefinition>(
  db: Db,
  noun: Noun<D>,
  ref: string,
  options: { lock?: boolean; deleted?: boolean } = {},
): Promise<Row<D>> {
  const { table } = noun
  const query = db
    .select()
    .from(table)
    .where(
      and(
        options.deleted ? undefined : isNull(table.deletedAt),
        or(eq(table.id, ref), and(eq(table.name, ref), isNull(table.deletedAt))),
      ),
    )
  const [row] = options.lock ? await query.for('update') : await query
  if (!row) throw new HubError(noun.notFound, `There is no ${noun.type} ${ref}.`)
  return row as unknown as Row<D>
}

/** Sorted by name. `matches` filters in SQL. */
export async function listDeclared<D extends AgentDefinition | RuntimeDefinition | ScheduleDefinition, T>(
  db: Db,
  noun: Noun<D>,
  options: ListOptions & { query?: string; runtime?: string; agent?: string },
  shape: (row: Row<D>) => T,
): Promise<Page<T>> {
  const { table } = noun
  const limit = pageSize(options.limit)
  const after = fromCursor(options.cursor)
  const contains = options.query === undefined ? undefined : `%${options.query.replace(/[\\%_]/g, '\\$&')}%`
  const found = await db
    .select()
    .from(table)
    .where(
      and(
        isNull(table.deletedAt),
        after === null ? undefined : gt(table.name, after),
        contains === undefined
          ? undefined
          : sql`(${table.name} ilike ${contains} or ${table.definition}->>'description' ilike ${contains})`,
        options.runtime === undefined ? undefined : sql`${table.definition}->>'runtime' = ${options.runtime}`,
        options.agent === undefined ? undefined : sql`${table.definition}->>'agent' = ${options.agent}`,
      ),
    )
    .orderBy(asc(table.name))
    .limit(limit + 1)
  return toPage(found as unknown as Row<D>[], limit, (row) => row.name, shape)
}

/** Newest first; of what was deleted too, by id. */
export async function listVersions<D extends AgentDefinition | RuntimeDefinition | ScheduleDefinition>(
  db: Db,
  noun: Noun<D>,
  ref: string,
  options: ListOptions,
): Promise<Page<Version>> {
  const row = await findDeclared(db, noun, ref, { deleted: true })
  const limit = pageSize(options.limit)
  const after = fromCursor(options.cursor)
  const found = await db
    .select()
    .from(versions)
    .where(and(eq(versions.subjectId, row.id), after === null ? undefined : lt(versions.version, Number(after) || 0)))
    .orderBy(desc(versions.version))
    .limit(limit + 1)
  return toPage(
    found,
    limit,
    (version) => String(version.version),
    ({ version, definition, createdBy, createdAt }) => ({
      version,
      definition,
      created_by: createdBy,
      created_at: createdAt.toISOString(),
    }),
  )
}

/** The part of the wire shape that all three share. */
export function toDeclared<D>(row: Row<D>) {
  const { id, name, version, managedBy, createdAt, updatedAt } = row
  return {
    id,
    name,
    version,
    managed_by: managedBy,
    created_at: createdAt.toISOString(),
    updated_at: updatedAt.toISOString(),
  }
}

/** JSON with sorted keys: two definitions are the same when their texts are. jsonb does not keep the order of keys. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (value && typeof value === 'object') {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined)
    return `{${entries
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`)
      .join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}
