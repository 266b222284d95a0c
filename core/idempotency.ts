import { and, eq, isNull, lt, sql } from 'drizzle-orm'
import type { Db } from './database.ts'
import { HubError } from './errors.ts'
import { idempotencyKeys } from './schema/index.ts'

/** A request that never finished holds its key this long: its hub died with it. */
const STUCK_AFTER = sql`interval '60 seconds'`

export async function beginRequest(
  db: Db,
  key: string,
  digest: string,
): Promise<{ replay: false } | { replay: true; status: number; response: unknown }> {
  const [mine] = await db
    .insert(idempotencyKeys)
    .values({ key, digest })
    .onConflictDoUpdate({
      target: idempotencyKeys.key,
      set: { createdAt: sql`now()` },
      setWhere: and(
        eq(idempotencyKeys.digest, digest),
        isNull(idempotencyKeys.status),
        lt(idempotencyKeys.createdAt, sql`now() - ${STUCK_AFTER}`),
      ),
    })
    .returning({ key: idempotencyKeys.key })
  if (mine) return { replay: false }
  const [earlier] = await db.select().from(idempotencyKeys).where(eq(idempotencyKeys.key, key))
  // Gone between the two statements: its request was abandoned, so the caller may simply send it again.
  if (!earlier)
    throw new HubError('idempotency_in_progress', 'The first request with this key has just ended without an answer.')
  if (earlier.digest !== digest)
    throw new HubError('idempotency_conflict', 'This key was used for a different request.')
  if (earlier.status === null)
    throw new HubError('idempotency_in_progress', 'The first request with this key has no answer yet.')
  return { replay: true, status: earlier.status, response: earlier.response }
}

export async function finishRequest(db: Db, key: string, status: number, response: unknown): Promise<void> {
  await db.update(idempotencyKeys).set({ status, response }).where(eq(idempotencyKeys.key, key))
}

export async function abandonRequest(db: Db, key: string): Promise<void> {
  await db.delete(idempotencyKeys).where(and(eq(idempotencyKeys.key, key), isNull(idempotencyKeys.status)))
}

export async function forgetRequests(db: Db): Promise<void> {
  await db.delete(idempotencyKeys).where(lt(idempotencyKeys.createdAt, sql`now() - interval '24 hours'`))
}
