import { and, asc, eq, gt, inArray, type SQL, sql } from 'drizzle-orm'
import { type Db, rows } from '../database.ts'
import { HubError } from '../errors.ts'
import { events } from '../schema/index.ts'
import type { RunEvent } from '../shapes.ts'

/** Everything that other replicas must hear of; payloads are `word:id[:number]`. */
export const CHANNEL = 'signalbox'

/** An event before it has its place in the log: AG-UI 1.0 fields and the time it happened. */
export type NewEvent = { type: string; at: Date } & Record<string, unknown>

export type Written = { nextSeq: number; events: RunEvent[] }

/**
 * Adds events to a run's log, for the holder of the fence alone, at `fromSeq` alone: one statement that numbers, stores,
 * changes the run's row (`set`) and wakes watchers, or nothing. Throws lease_lost when another writes now.
 */
export async function appendEvents(
  db: Db,
  run: { id: string; fence: number },
  fromSeq: number,
  added: NewEvent[],
  set: SQL[] = [],
): Promise<Written> {
  const numbered = added.map(({ type, at, ...data }, index) => ({
    seq: fromSeq + index,
    at: at.toISOString(),
    type,
    data,
  }))
  const nextSeq = fromSeq + added.length
  const changes = sql.join([sql`next_seq = ${nextSeq}`, ...set], sql`, `)
  const found = await rows<{ id: string }>(
    db,
    sql`with held as (
      update runs set ${changes} where id = ${run.id} and fence = ${run.fence} and next_seq = ${fromSeq} returning id
    ), written as (
      insert into events (run_id, seq, type, data, at)
      select held.id, e.seq, e.type, e.data, e.at
      from held, jsonb_to_recordset(${JSON.stringify(numbered)}::jsonb) as e(seq int, type text, data jsonb, at timestamptz)
    )
    select id, pg_notify(${CHANNEL}, 'event:' || id || ':' || ${nextSeq - 1}::text) from held`,
  )
  if (found.length === 0)
    throw new HubError('lease_lost', `Run ${run.id} is no longer held with fence ${run.fence} at event ${fromSeq}.`)
  return { nextSeq, events: numbered.map(({ seq, at, type, data }) => ({ seq, at, type, ...data })) }
}

const MAX_SEQ = 2 ** 31 - 1

/** The log after `after`, oldest first: one statement, however many. */
export async function readEvents(
  db: Db,
  runId: string,
  options: { after: number; limit: number; types?: string[] },
): Promise<RunEvent[]> {
  const found = await db
    .select()
    .from(events)
    .where(
      and(
        eq(events.runId, runId),
        // What a caller may ask for is larger than what the column holds.
        gt(events.seq, Math.min(options.after, MAX_SEQ)),
        options.types ? inArray(events.type, options.types) : undefined,
      ),
    )
    .orderBy(asc(events.seq))
    .limit(options.limit)
  return found.map(({ seq, at, type, data }) => ({ seq, at: at.toISOString(), type, ...data }))
}

/** True for the event after which nothing follows: an interrupt only pauses. */
export function isFinal(event: { type: string } & Record<string, unknown>): boolean {
  if (event.type === 'RUN_ERROR') return true
  if (event.type !== 'RUN_FINISHED') return false
  const { outcome } = event
  return !(outcome && typeof outcome === 'object' && 'type' in outcome && outcome.type === 'interrupt')
}
