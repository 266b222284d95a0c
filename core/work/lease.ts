import { randomBytes } from 'node:crypto'
import { and, asc, eq, inArray, isNull, sql } from 'drizzle-orm'
import { sha256 } from '../access/tokens.ts'
import { type Db, rows } from '../database.ts'

import { agents, artifacts, runMessages, runs, runtimes, sessions, sessionTokens, versions } from '../schema/index.ts'
import { AgentDefinition, type RuntimeDefinition } from '../shapes.ts'
import type { Kinds } from './bind.ts'
import type { RunRow } from './shape.ts'

/** How long a claim holds without a renewal: the time after which another replica takes over a run whose holder died. */
export const LEASE_MS = 15_000

/** A run in the hands of a worker, with all that it needs to do it. */
export type Claimed = {
  run: RunRow
  fence: number
  session: typeof sessions.$inferSelect
  agent: { id: string; name: string; number: number; definition: AgentDefinition }
  /** Why the run cannot be done at all; null: it can. */
  broken: string | null
  runtime: { id: string; name: string; version: number; definition: RuntimeDefinition }
  files: (typeof artifacts.$inferSelect)[]
  /** For the model relay; known only here and to the runtime. */
  modelToken: string
}

export type RunMessage = typeof runMessages.$inferSelect
export type Held = { runId: string; fence: number }

/**
 * Takes up to `credits` runs: first those whose holder let its lease run out, then queued ones, first come first served,
 * one at a time per session, within the concurrency of agent and runtime. Of many replicas each run goes to one.
 */
export async function claim(
  db: Db,
  kinds: Kinds,
  input: {
    holder: string
    placement: string
    credits: number
    leaseMs?: number /** For agents that set none. */
    agentConcurrency?: number
  },
): Promise<Claimed[]> {
  const { holder, placement, credits, leaseMs = LEASE_MS } = input
  const lease = sql`now() + ${leaseMs} * interval '1 millisecond'`
  const taken = await db.transaction(async (tx) => {
    // Counting what is at work and adding to it must not interleave with another replica's doing the same.
    await tx.execute(sql`select pg_advisory_xact_lock(hashtext('signalbox:claim'))`)
    const ids = await rows<{ id: string }>(tx, claimable(placement, credits, input.agentConcurrency ?? UNLIMITED))
    if (ids.length === 0) return []
    return await tx
      .update(runs)
      .set({
        status: sql`case when ${runs.status} = 'queued' then 'running' else ${runs.status} end`,
        holder,
        fence: sql`${runs.fence} + 1`,
        leaseUntil: lease,
        startedAt: sql`coalesce(${runs.startedAt}, now())`,
      })
      .where(
        inArray(
          runs.id,
          ids.map(({ id }) => id),
        ),
      )
      .returning()
  })
  return taken.length === 0 ? [] : await gather(db, kinds, taken, placement)
}

const UNLIMITED = 1_000_000

function claimable(placement: string, credits: number, agentConcurrency: number) {
  return sql`
    with overdue as (
      select r.id from runs r join sessions s on s.id = r.session_id
      where r.status in ('running', 'awaiting_input') and r.lease_until < now()
        and (s.placement is null or s.placement = ${placement})
      order by r.position limit ${credits} for update of r skip locked
    ), at_work as (
      select agent_id, runtime_id from runs where status = 'running'
    ), candidates as (
      select c.id, c.position, c.runtime_id,
             row_number() over (partition by c.runtime_id order by c.position) as place
      from agents a
      cross join lateral (
        select r.id, r.position, r.runtime_id
        from runs r join sessions s on s.id = r.session_id
        where r.agent_id = a.id and r.status = 'queued' and (s.placement is null or s.placement = ${placement})
          and not exists (
            select 1 from runs e
            where e.session_id = r.session_id and e.id <> r.id
              -- A later one may be at work: of two that were queued at once, the first may have committed last.
              and (e.status in ('running', 'awaiting_input') or e.status = 'queued' and e.position < r.position)
          )
        order by r.position
        limit greatest(0, least(coalesce(a.concurrency, ${agentConcurrency}::int) - (select count(*) from at_work w where w.agent_id = a.id), ${credits}))
      ) c
      where exists (select 1 from runs q where q.agent_id = a.id and q.status = 'queued')
    ), fresh as (
      select r.id from runs r
      where r.status = 'queued' and r.id in (
        select c.id from candidates c join runtimes t on t.id = c.runtime_id
        where c.place <= coalesce(t.concurrency, ${UNLIMITED}::int) - (select count(*) from at_work w where w.runtime_id = c.runtime_id)
        order by c.position limit ${credits}
      )
      order by r.position for update of r skip locked
    )
    select id from (select id, 0 as turn from overdue union all select id, 1 as turn from fresh) found
    order by turn limit ${credits}`
}

/** What the claimed runs are about, in a few statements for all of them; binds their sessions to this replica where they must stay. */
async function gather(db: Db, kinds: Kinds, taken: RunRow[], placement: string): Promise<Claimed[]> {
  const ids = taken.map(({ id }) => id)
  const found = await db
    .select({ runId: runs.id, session: sessions, agent: agents, runtime: runtimes, definition: versions.definition })
    .from(runs)
    .innerJoin(sessions, eq(sessions.id, runs.sessionId))
    .innerJoin(agents, eq(agents.id, runs.agentId))
    .innerJoin(runtimes, eq(runtimes.id, runs.runtimeId))
    .innerJoin(versions, and(eq(versions.subjectId, runs.agentId), eq(versions.version, runs.agentVersion)))
    .where(inArray(runs.id, ids))
  const fileIds = taken.flatMap(({ input }) => input.files)
  const files = fileIds.length === 0 ? [] : await db.select().from(artifacts).where(inArray(artifacts.id, fileIds))
  const staying = found.filter(
    ({ session, runtime }) => session.placement === null && staysOnReplica(kinds, runtime.definition),
  )
  if (staying.length > 0) {
    await db
      .update(sessions)
      .set({ placement })
      .where(
        and(
          inArray(
            sessions.id,
            staying.map(({ session }) => session.id),
          ),
          isNull(sessions.placement),
        ),
      )
  }
  const claimed = taken.map((run): Claimed => {
    const about = found.find(({ runId }) => runId === run.id)!
    const { definition, ...runtime } = about.runtime
    // Parsed again, so that a version stored by an older hub gets the defaults of what came later. One that is not valid
    // any more fails its own run, not the claim of all the others.
    const parsed = AgentDefinition.safeParse(about.definition)
    return {
      run,
      fence: run.fence,
      session: about.session,
      agent: {
        id: about.agent.id,
        name: about.agent.name,
        number: about.agent.number,
        definition: parsed.success ? parsed.data : AgentDefinition.parse({}),
      },
      broken: parsed.success ? null : `Version ${run.agentVersion} of agent ${about.agent.name} is not valid any more.`,
      runtime: { id: runtime.id, name: runtime.name, version: runtime.version, definition },
      files: run.input.files.flatMap((id) => files.filter((file) => file.id === id)),
      modelToken: `sbs_${randomBytes(32).toString('base64url')}`,
    }
  })
  await db.insert(sessionTokens).values(
    claimed.map(({ run, modelToken }) => ({
      hash: sha256(modelToken),
      sessionId: run.sessionId,
      runId: run.id,
      purpose: 'model' as const,
      expiresAt: new Date(Date.now() + 31 * 86_400_000),
    })),
  )
  return claimed
}

function staysOnReplica(kinds: Kinds, definition: RuntimeDefinition): boolean {
  const kind = kinds.get(definition.kind)
  if (!kind) return false
  const settings = kind.settings.safeParse(definition.settings)
  return settings.success && kind.capabilities(settings.data).placement === 'replica'
}

/** Prolongs the leases of what is held, in one statement; tells which are lost and what was said to the others since. */
export async function renew(
  db: Db,
  input: { holder: string; held: Held[]; leaseMs?: number },
): Promise<{ lost: string[]; messages: RunMessage[] }> {
  const { holder, held, leaseMs = LEASE_MS } = input
  if (held.length === 0) return { lost: [], messages: [] }
  const kept = await rows<{ id: string }>(
    db,
    sql`update runs set lease_until = now() + ${leaseMs} * interval '1 millisecond'
        from jsonb_to_recordset(${JSON.stringify(held)}::jsonb) as h("runId" text, fence int)
        where runs.id = h."runId" and runs.fence = h.fence and runs.holder = ${holder} and runs.status in ('running', 'awaiting_input')
        returning runs.id`,
  )
  const ids = new Set(kept.map(({ id }) => id))
  const lost = held.filter(({ runId }) => !ids.has(runId)).map(({ runId }) => runId)
  return { lost, messages: await openMessages(db, [...ids]) }
}

/** What was said to these runs and not handled yet, oldest first. */
export async function openMessages(db: Db, runIds: string[]): Promise<RunMessage[]> {
  if (runIds.length === 0) return []
  return await db
    .select()
    .from(runMessages)
    .where(and(inArray(runMessages.runId, runIds), isNull(runMessages.handledAt)))
    .orderBy(asc(runMessages.id))
}

/** A message has reached the runtime, or never will; `result` says which. */
export async function messageHandled(db: Db, id: string, result: string): Promise<void> {
  await db
    .update(runMessages)
    .set({ handledAt: sql`now()`, result })
    .where(and(eq(runMessages.id, id), isNull(runMessages.handledAt)))
}

/** Ends the leases of a holder that is surely dead or gives up, so that its runs are claimed again at once. */
export async function releaseLeases(db: Db, placement: string): Promise<void> {
  await db
    .update(runs)
    .set({ leaseUntil: sql`now() - interval '1 second'` })
    .where(and(inArray(runs.status, ['running', 'awaiting_input']), sql`${runs.holder} like ${`${placement}:%`}`))
}
