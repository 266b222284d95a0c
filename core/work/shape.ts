import { createHash } from 'node:crypto'
import { and, asc, desc, eq, inArray, lt, type SQL, sql } from 'drizzle-orm'
import type { Db } from '../database.ts'
import { HubError, hintOf } from '../errors.ts'
import { agents, approvals, runs, runtimes, sessions, users } from '../schema/index.ts'
import type { Approval, Run, Session, Usage } from '../shapes.ts'
import { canonical } from './declared.ts'

export type RunRow = typeof runs.$inferSelect

export const OPEN_STATUSES = ['queued', 'running', 'awaiting_input'] as const

/** Runs as people and programs see them, with what they wait for: two statements, however many runs. */
export async function readRuns(db: Db, where: SQL | undefined, order: SQL, limit: number): Promise<Run[]> {
  const found = await db
    .select({ run: runs, agent: agents.name, runtime: runtimes.name, createdBy: users.name })
    .from(runs)
    .innerJoin(agents, eq(agents.id, runs.agentId))
    .innerJoin(runtimes, eq(runtimes.id, runs.runtimeId))
    .innerJoin(users, eq(users.id, runs.createdBy))
    .where(where)
    .orderBy(order)
    .limit(limit)
  const waiting = found.filter(({ run }) => run.status === 'awaiting_input').map(({ run }) => run.id)
  const pending =
    waiting.length === 0
      ? []
      : await readApprovals(
          db,
          and(inArray(approvals.runId, waiting), eq(approvals.status, 'pending')),
          asc(approvals.id),
          1_000,
        )
  return found.map(({ run, agent, runtime, createdBy }) => ({
    id: run.id,
    session_id: run.sessionId,
    agent,
    agent_version: run.agentVersion,
    runtime,
    status: run.status,
    prompt: run.input.text,
    output: run.output,
    error:
      run.errorCode === null
        ? null
        : { code: run.errorCode, message: run.errorMessage ?? '', hint: hintOf(run.errorCode) },
    usage: toUsage(run),
    pending: pending.filter((approval) => approval.run_id === run.id),
    last_seq: run.nextSeq - 1,
    redactions: run.redactions,
    stop_requested_at: run.stopRequestedAt?.toISOString() ?? null,
    created_by: createdBy,
    created_at: run.createdAt.toISOString(),
    started_at: run.startedAt?.toISOString() ?? null,
    finished_at: run.finishedAt?.toISOString() ?? null,
  }))
}

export async function readRun(db: Db, id: string): Promise<Run> {
  const [run] = await readRuns(db, eq(runs.id, id), desc(runs.id), 1)
  if (!run) throw new HubError('run_not_found', `There is no run ${id}.`)
  return run
}

/** What the gateway metered and what the runtime reports count the same calls: the greater one is what was used. */
function toUsage(run: RunRow): Usage {
  return {
    input_tokens: Math.max(run.inputTokens, run.meteredInputTokens),
    output_tokens: Math.max(run.outputTokens, run.meteredOutputTokens),
    cache_read_tokens: Math.max(run.cacheReadTokens, run.meteredCacheReadTokens),
    cache_write_tokens: Math.max(run.cacheWriteTokens, run.meteredCacheWriteTokens),
    model_calls: Math.max(run.modelCalls, run.meteredCalls),
    cost_micro_usd: run.costMicroUsd,
    cost_kind: run.costKind,
  }
}

/** The sums of `toUsage` over a group of runs, in SQL. */
export const usageSums = {
  input_tokens: sql<number>`coalesce(sum(greatest(${runs.inputTokens}, ${runs.meteredInputTokens})), 0)::float8`,
  output_tokens: sql<number>`coalesce(sum(greatest(${runs.outputTokens}, ${runs.meteredOutputTokens})), 0)::float8`,
  cache_read_tokens: sql<number>`coalesce(sum(greatest(${runs.cacheReadTokens}, ${runs.meteredCacheReadTokens})), 0)::float8`,
  cache_write_tokens: sql<number>`coalesce(sum(greatest(${runs.cacheWriteTokens}, ${runs.meteredCacheWriteTokens})), 0)::float8`,
  model_calls: sql<number>`coalesce(sum(greatest(${runs.modelCalls}, ${runs.meteredCalls})), 0)::float8`,
  cost_micro_usd: sql<number>`coalesce(sum(${runs.costMicroUsd}), 0)::float8`,
  cost_kind: sql<
    Usage['cost_kind']
  >`case when count(*) filter (where ${runs.costKind} = 'estimated') > 0 then 'estimated' else coalesce(max(${runs.costKind}) filter (where ${runs.costKind} <> 'none'), 'none') end`,
}

export async function readApprovals(db: Db, where: SQL | undefined, order: SQL, limit: number): Promise<Approval[]> {
  const found = await db
    .select({ approval: approvals, sessionId: runs.sessionId, agent: agents.name, decidedBy: users.name })
    .from(approvals)
    .innerJoin(runs, eq(runs.id, approvals.runId))
    .innerJoin(agents, eq(agents.id, runs.agentId))
    .leftJoin(users, eq(users.id, approvals.decidedBy))
    .where(where)
    .orderBy(order)
    .limit(limit)
  return found.map(({ approval, sessionId, agent, decidedBy }) => ({
    id: approval.id,
    run_id: approval.runId,
    session_id: sessionId,
    agent,
    kind: approval.kind,
    status: approval.status,
    message: approval.message,
    tool: approval.tool,
    arguments: approval.arguments ?? null,
    digest: approval.digest,
    options: approval.options,
    option_id: approval.optionId,
    note: approval.note,
    decided_by: decidedBy,
    decided_at: approval.decidedAt?.toISOString() ?? null,
    expires_at: approval.expiresAt.toISOString(),
    created_at: approval.createdAt.toISOString(),
  }))
}

/** What exactly is decided: the same tool with other arguments is another digest. */
export function digestOf(tool: string | undefined, args: unknown): string {
  return createHash('sha256')
    .update(canonical({ tool: tool ?? null, arguments: args ?? null }))
    .digest('hex')
}

export type SessionFilter = { agentId?: string; status?: Session['status']; beforeId?: string; id?: string }

/** Newest first; a session's status is that of its open runs. */
export async function readSessions(db: Db, filter: SessionFilter, limit: number): Promise<Session[]> {
  const found = await db
    .select({
      session: sessions,
      agent: agents.name,
      runtime: runtimes.name,
      createdBy: users.name,
      count: sql<number>`(select count(*)::int from ${runs} where ${runs.sessionId} = ${sessions.id})`,
      status: statusOf,
    })
    .from(sessions)
    .innerJoin(agents, eq(agents.id, sessions.agentId))
    .innerJoin(runtimes, eq(runtimes.id, sessions.runtimeId))
    .innerJoin(users, eq(users.id, sessions.createdBy))
    .where(
      and(
        filter.id === undefined ? undefined : eq(sessions.id, filter.id),
        filter.agentId === undefined ? undefined : eq(sessions.agentId, filter.agentId),
        filter.beforeId === undefined ? undefined : lt(sessions.id, filter.beforeId),
        filter.status === undefined ? undefined : sql`${statusOf} = ${filter.status}`,
      ),
    )
    .orderBy(desc(sessions.id))
    .limit(limit)
  const ids = found.map(({ session }) => session.id)
  const sums =
    ids.length === 0
      ? []
      : await db
          .select({ id: runs.sessionId, ...usageSums })
          .from(runs)
          .where(inArray(runs.sessionId, ids))
          .groupBy(runs.sessionId)
  const none: Usage = {
    input_tokens: 0,
    output_tokens: 0,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    model_calls: 0,
    cost_micro_usd: 0,
    cost_kind: 'none',
  }
  return found.map(({ session, agent, runtime, createdBy, count, status }) => {
    const { id: _, ...usage } = sums.find(({ id }) => id === session.id) ?? { id: '', ...none }
    return {
      id: session.id,
      agent,
      agent_version: session.agentVersion,
      runtime,
      title: session.title,
      status,
      runs: count,
      usage,
      created_by: createdBy,
      created_at: session.createdAt.toISOString(),
      updated_at: session.updatedAt.toISOString(),
    }
  })
}

const statusOf = sql<Session['status']>`coalesce((
  select case when bool_or(${runs.status} = 'awaiting_input') then 'awaiting_input'
              when bool_or(${runs.status} = 'running') then 'running' else 'queued' end
  from ${runs} where ${runs.sessionId} = ${sessions.id} and ${runs.status} in ('queued', 'running', 'awaiting_input')
  having count(*) > 0), 'idle')`
