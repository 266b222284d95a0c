import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import { type Db, notify } from '../database.ts'
import type { Ref, RuntimeInterrupt } from '../ports.ts'
import { approvals, sessions, sessionTokens } from '../schema/index.ts'
import type { Usage } from '../shapes.ts'
import { appendEvents, CHANNEL, type NewEvent, type Written } from './log.ts'
import { digestOf } from './shape.ts'

export type Outcome =
  | { status: 'succeeded'; output: string | null }
  | { status: 'failed'; output: string | null; error: { code: string; message: string } }
  | { status: 'cancelled'; output: string | null }

/** What one append carries beside events; all of it commits with them or not at all. */
export type Progress = {
  ref?: Ref
  phase?: 'starting' | 'started'
  cursor?: { value: string; seq: number }
  usage?: Partial<Usage>
  redactions?: number
  status?: 'running' | 'awaiting_input'
  /** Interrupts first seen now. */
  opened?: { approvalId: string; interrupt: RuntimeInterrupt; expiresAt: Date }[]
  /** Native ids that the runtime itself no longer waits for. */
  closed?: string[]
  deadlineAt?: Date
}

export async function append(
  db: Db,
  run: { id: string; fence: number },
  fromSeq: number,
  added: NewEvent[],
  progress: Progress,
): Promise<Written> {
  const set = toColumns(progress)
  const { opened = [], closed = [] } = progress
  if (opened.length === 0 && closed.length === 0 && progress.status === undefined) {
    return await appendEvents(db, run, fromSeq, added, set)
  }
  return await db.transaction(async (tx) => {
    const written = await appendEvents(tx, run, fromSeq, added, set)
    if (opened.length > 0) {
      await tx
        .insert(approvals)
        .values(opened.map((one) => toApproval(run.id, one)))
        .onConflictDoNothing({ target: [approvals.runId, approvals.nativeId] })
    }
    if (closed.length > 0) {
      await tx
        .update(approvals)
        .set({ status: 'cancelled' })
        .where(and(eq(approvals.runId, run.id), eq(approvals.status, 'pending'), inArray(approvals.nativeId, closed)))
    }
    await notify(tx, CHANNEL, `state:${run.id}`)
    return written
  })
}

/** The one outcome of a run, with its final events: status, error, session, approvals and tokens in one transaction. */
export async function settle(
  db: Db,
  run: { id: string; fence: number; sessionId: string },
  fromSeq: number,
  final: NewEvent[],
  outcome: Outcome,
  progress: Progress,
): Promise<Written> {
  return await db.transaction(async (tx) => {
    const error = outcome.status === 'failed' ? outcome.error : null
    const written = await appendEvents(tx, run, fromSeq, final, [
      ...toColumns(progress),
      sql`status = ${outcome.status}`,
      sql`output = ${outcome.output}`,
      sql`error_code = ${error?.code ?? null}`,
      sql`error_message = ${error?.message ?? null}`,
      sql`finished_at = now()`,
      sql`lease_until = null`,
    ])
    await tx
      .update(approvals)
      .set({ status: 'cancelled' })
      .where(and(eq(approvals.runId, run.id), eq(approvals.status, 'pending')))
    await tx.update(sessionTokens).set({ revoked: true }).where(eq(sessionTokens.runId, run.id))
    await tx
      .update(sessions)
      .set({ updatedAt: sql`now()`, ...(progress.ref === undefined ? {} : { ref: progress.ref }) })
      .where(eq(sessions.id, run.sessionId))
    // The next run of the session, or one that waited for a slot, may start now.
    await notify(tx, CHANNEL, `settled:${run.id}`)
    return written
  })
}

function toColumns({ ref, phase, cursor, usage, redactions, status, deadlineAt }: Progress): SQL[] {
  const set: SQL[] = []
  if (ref !== undefined) set.push(sql`ref = ${JSON.stringify(ref)}::jsonb`)
  if (phase !== undefined) set.push(sql`phase = ${phase}`)
  if (cursor !== undefined) set.push(sql`cursor = ${cursor.value}`, sql`cursor_seq = ${cursor.seq}`)
  if (redactions !== undefined) set.push(sql`redactions = ${redactions}`)
  if (status !== undefined) set.push(sql`status = ${status}`)
  if (deadlineAt !== undefined) set.push(sql`deadline_at = ${deadlineAt.toISOString()}::timestamptz`)
  if (usage !== undefined) {
    // Absolute counters: what is told twice, or late and lower, changes nothing.
    const counters = [
      [sql`input_tokens`, usage.input_tokens],
      [sql`output_tokens`, usage.output_tokens],
      [sql`cache_read_tokens`, usage.cache_read_tokens],
      [sql`cache_write_tokens`, usage.cache_write_tokens],
      [sql`model_calls`, usage.model_calls],
      [sql`cost_micro_usd`, usage.cost_micro_usd],
    ] as const
    for (const [column, value] of counters)
      if (value !== undefined) set.push(sql`${column} = greatest(${column}, ${Math.round(value)}::bigint)`)
    if (usage.cost_kind !== undefined && usage.cost_kind !== 'none') set.push(sql`cost_kind = ${usage.cost_kind}`)
  }
  return set
}

function toApproval(
  runId: string,
  { approvalId, interrupt, expiresAt }: NonNullable<Progress['opened']>[number],
): typeof approvals.$inferInsert {
  return {
    id: approvalId,
    runId,
    nativeId: interrupt.id,
    kind: interrupt.kind,
    message: interrupt.message,
    tool: interrupt.tool ?? null,
    arguments: interrupt.arguments ?? null,
    digest: digestOf(interrupt.tool, interrupt.arguments),
    options: interrupt.options,
    expiresAt,
  }
}
