import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type ExtractTablesWithRelations, type SQL, sql } from 'drizzle-orm'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import { packageRoot } from './package-root.ts'
import * as schema from './schema/index.ts'

/** PGlite or Postgres: the same schema, the same migrations, the same SQL. */
export type Db = PgDatabase<PgQueryResultHKT, typeof schema, ExtractTablesWithRelations<typeof schema>>

export type Database = {
  db: Db
  kind: 'pglite' | 'postgres'
  /** Calls `heard` for each NOTIFY on the channel, own ones included, until the returned function is called. */
  listen(channel: string, heard: (payload: string) => void): Promise<() => Promise<void>>
  close(): Promise<void>
}

/**
 * Opens and migrates. Without `url`: PGlite in `folder`, or in memory (from `seed` when given) when there is no folder.
 * PGlite takes no lock on its folder: the caller must hold one, or a second process silently loses commits.
 */
export async function openDatabase(options: {
  url?: string
  folder?: string
  seed?: Blob
  connections?: number
}): Promise<Database> {
  return options.url ? openPostgres(options.url, options.connections ?? 10) : openPglite(options)
}

async function openPglite({ folder, seed }: { folder?: string; seed?: Blob }): Promise<Database> {
  const [{ PGlite }, { pg_trgm }, { drizzle }, { migrate }] = await Promise.all([
    import('@electric-sql/pglite'),
    import('@electric-sql/pglite/contrib/pg_trgm'),
    import('drizzle-orm/pglite'),
    import('drizzle-orm/pglite/migrator'),
  ])
  if (folder) mkdirSync(folder, { recursive: true, mode: 0o700 })
  const client = await PGlite.create({
    ...(folder ? { dataDir: folder } : {}),
    ...(seed ? { loadDataDir: seed } : {}),
    extensions: { pg_trgm },
  })
  const db = drizzle(client, { schema })
  await migrate(db, { migrationsFolder: join(packageRoot(), 'migrations') })
  return {
    // Both drivers are PgDatabase; only their raw result types differ, which `rows` hides.
    db: db as unknown as Db,
    kind: 'pglite',
    listen: async (channel, heard) => await client.listen(channel, heard),
    close: () => client.close(),
  }
}

async function openPostgres(url: string, connections: number): Promise<Database> {
  const [{ default: postgres }, { drizzle }, { migrate }] = await Promise.all([
    import('postgres'),
    import('drizzle-orm/postgres-js'),
    import('drizzle-orm/postgres-js/migrator'),
  ])
  const client = postgres(url, { max: connections, onnotice: () => {}, connect_timeout: 10 })
  try {
    // Migrations take no lock of their own: four starters at once on an empty database made three fail.
    const reserved = await client.reserve()
    try {
      await reserved`select pg_advisory_lock(hashtext('signalbox:migrate'))`
      await migrate(drizzle(client), { migrationsFolder: join(packageRoot(), 'migrations') })
    } finally {
      await reserved`select pg_advisory_unlock(hashtext('signalbox:migrate'))`.catch(() => {})
      reserved.release()
    }
  } catch (error) {
    await client.end({ timeout: 1 })
    throw error
  }
  return {
    db: drizzle(client, { schema }) as unknown as Db,
    kind: 'postgres',
    listen: async (channel, heard) => {
      const subscription = await client.listen(channel, heard)
      return () => subscription.unlisten()
    },
    close: () => client.end({ timeout: 5 }),
  }
}

/** Rows of a raw statement: the drivers disagree on the envelope. Values are as the driver gives them; cast in SQL where it matters. */
export async function rows<T>(db: Db, statement: SQL): Promise<T[]> {
  const result: unknown = await db.execute(statement)
  // PGlite answers {rows}, postgres.js an array; the row shape is the statement's, which the caller states.
  return (Array.isArray(result) ? result : (result as { rows: unknown[] }).rows) as T[]
}

/** Wakes listeners when the surrounding transaction commits. Payloads stay small: ids, never content. */
export async function notify(db: Db, channel: string, payload: string): Promise<void> {
  await db.execute(sql`select pg_notify(${channel}, ${payload})`)
}

/** The unique constraint that an insert or update ran into, or null for any other error. */
export function uniqueViolation(error: unknown): string | null {
  const cause = error instanceof Error ? error.cause : null
  if (!cause || typeof cause !== 'object' || !('code' in cause) || cause.code !== '23505') return null
  const { constraint, constraint_name: constraintName } = cause as { constraint?: string; constraint_name?: string }
  return constraint ?? constraintName ?? ''
}
