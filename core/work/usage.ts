import { and, desc, eq, gte, sql } from 'drizzle-orm'
import { sha256 } from '../access/tokens.ts'
import type { Db } from '../database.ts'
import { HubError } from '../errors.ts'
import { agents, runs, runtimes, sessionTokens, users, versions } from '../schema/index.ts'
import type { UsageBy, UsageReport } from '../shapes.ts'
import { usageSums } from './shape.ts'

/** Sums over runs created since, grouped; the costliest first. */
export async function usageReport(db: Db, by: UsageBy, since: Date | null): Promise<UsageReport> {
  const keys = {
    agent: sql<string>`${agents.name}`,
    runtime: sql<string>`${runtimes.name}`,
    session: sql<string>`${runs.sessionId}`,
    user: sql<string>`${users.name}`,
    day: sql<string>`to_char(${runs.createdAt} at time zone 'UTC', 'YYYY-MM-DD')`,
  }
  const found = await db
    .select({ key: keys[by], runs: sql<number>`count(*)::int`, ...usageSums })
    .from(runs)
    .innerJoin(agents, eq(agents.id, runs.agentId))
    .innerJoin(runtimes, eq(runtimes.id, runs.runtimeId))
    .innerJoin(users, eq(users.id, runs.createdBy))
    .where(since === null ? undefined : gte(runs.createdAt, since))
    .groupBy(sql`1`)
    .orderBy(desc(usageSums.cost_micro_usd), desc(usageSums.input_tokens), sql`1`)
    .limit(1_000)
  return {
    by,
    since: since?.toISOString() ?? null,
    rows: found.map(({ key, runs: count, ...usage }) => ({ key, runs: count, usage })),
  }
}

/** What a session token stands for, while its run lives. */
export async function resolveSessionToken(db: Db, token: string, purpose: 'model' | 'mcp') {
  const [found] = await db
    .select({
      sessionId: sessionTokens.sessionId,
      runId: sessionTokens.runId,
      agentId: runs.agentId,
      definition: versions.definition,
    })
    .from(sessionTokens)
    .innerJoin(runs, eq(runs.id, sessionTokens.runId))
    .innerJoin(versions, and(eq(versions.subjectId, runs.agentId), eq(versions.version, runs.agentVersion)))
    .where(
      and(
        eq(sessionTokens.hash, sha256(token)),
        eq(sessionTokens.purpose, purpose),
        eq(sessionTokens.revoked, false),
        sql`${sessionTokens.expiresAt} > now()`,
        sql`${runs.status} in ('running', 'awaiting_input')`,
      ),
    )
  if (!found)
    throw new HubError(
      'unauthenticated',
      'The session token is not valid: unknown, for another purpose, or its run is over.',
      { hint: 'Session tokens are made by the hub for one run.' },
    )
  const { definition, ...session } = found
  return { ...session, model: 'model' in definition ? (definition.model ?? null) : null }
}

export async function recordModelCall(
  db: Db,
  runId: string,
  call: { input_tokens: number; output_tokens: number; cache_read_tokens: number; cache_write_tokens: number },
): Promise<void> {
  await db
    .update(runs)
    .set({
      meteredInputTokens: sql`${runs.meteredInputTokens} + ${call.input_tokens}`,
      meteredOutputTokens: sql`${runs.meteredOutputTokens} + ${call.output_tokens}`,
      meteredCacheReadTokens: sql`${runs.meteredCacheReadTokens} + ${call.cache_read_tokens}`,
      meteredCacheWriteTokens: sql`${runs.meteredCacheWriteTokens} + ${call.cache_write_tokens}`,
      meteredCalls: sql`${runs.meteredCalls} + 1`,
    })
    .where(eq(runs.id, runId))
}
