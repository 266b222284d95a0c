import { and, asc, eq, inArray, isNull, sql } from 'drizzle-orm'
import type { Actor } from '../access/actor.ts'
import { authorize } from '../access/policy.ts'
import { sha256 } from '../access/tokens.ts'
import { type Db, notify } from '../database.ts'
import { HubError } from '../errors.ts'
import { newId } from '../id.ts'
import { agents, artifacts, runs, runtimes, sessions } from '../schema/index.ts'
import type { AgentDefinition, MessageMode } from '../shapes.ts'
import { bindRuntimes, capabilitiesOf, type Kinds } from './bind.ts'
import { canonical } from './declared.ts'
import { CHANNEL } from './log.ts'
import { OPEN_STATUSES } from './shape.ts'
import { requestStop } from './stop-run.ts'

export type NewRun = {
  agent: string
  /** Already scrubbed. */
  prompt: string
  sessionId?: string
  files: string[]
  mode: Exclude<MessageMode, 'steer'>
  requestKey?: string
  scheduleId?: string
}

/**
 * Stores a run, in a new session or in the one given, and wakes a worker. The same `requestKey` returns the run it made
 * the first time; with another body it throws idempotency_conflict.
 */
export async function startRun(db: Db, kinds: Kinds, actor: Actor, input: NewRun): Promise<string> {
  const digest = digestOf(input)
  return await db
    .transaction(async (tx) => {
      if (input.requestKey !== undefined) {
        const earlier = await earlierRun(tx, input.requestKey, digest)
        if (earlier !== null) return earlier
      }
      await requireFiles(tx, actor, input.files)
      const session =
        input.sessionId === undefined
          ? await openSession(tx, kinds, actor, input)
          : await joinSession(tx, actor, input.sessionId, input.agent)
      if (input.files.length > 0) await requireFileSupport(tx, kinds, session.runtimeId)
      if (input.mode === 'interrupt') await interruptSession(tx, session.id)
      const id = newId('run')
      const [created] = await tx
        .insert(runs)
        .values({
          id,
          sessionId: session.id,
          agentId: session.agentId,
          agentVersion: session.agentVersion,
          runtimeId: session.runtimeId,
          status: 'queued',
          input: { text: input.prompt, files: input.files },
          actor: { userId: actor.userId, name: actor.name, surface: actor.surface, onBehalfOf: actor.onBehalfOf },
          createdBy: actor.userId,
          scheduleId: input.scheduleId ?? null,
          requestKey: input.requestKey ?? null,
          requestDigest: digest,
        })
        .onConflictDoNothing({ target: runs.requestKey })
        .returning({ id: runs.id })
      // Two at once with one key: the other one won while this one waited. Its new session, if any, goes with this throw.
      if (!created) throw new LostRace()
      if (input.sessionId !== undefined)
        await tx.update(sessions).set({ updatedAt: sql`now()` }).where(eq(sessions.id, session.id))
      await notify(tx, CHANNEL, `queued:${id}`)
      return id
    })
    .catch(async (error: unknown) => {
      if (!(error instanceof LostRace)) throw error
      const earlier = await earlierRun(db, input.requestKey!, digest)
      return earlier!
    })
}

class LostRace extends Error {}

/** The run that this request has started already, if it has. Throws idempotency_conflict when it was another request. */
export async function startedRun(db: Db, input: NewRun): Promise<string | null> {
  return input.requestKey === undefined ? null : await earlierRun(db, input.requestKey, digestOf(input))
}

function digestOf({ agent, prompt, sessionId, files, mode }: NewRun): string {
  return sha256(canonical({ agent, prompt, session: sessionId ?? null, files, mode }))
}

async function earlierRun(db: Db, requestKey: string, digest: string): Promise<string | null> {
  const [run] = await db
    .select({ id: runs.id, digest: runs.requestDigest })
    .from(runs)
    .where(eq(runs.requestKey, requestKey))
  if (!run) return null
  if (run.digest !== digest)
    throw new HubError('idempotency_conflict', `This key already started run ${run.id} with another request.`)
  return run.id
}

type SessionRow = typeof sessions.$inferSelect

async function openSession(tx: Db, kinds: Kinds, actor: Actor, input: NewRun): Promise<SessionRow> {
  const agent = await findAgent(tx, input.agent)
  authorize(actor, 'invoke', { type: 'agent', id: agent.id })
  const candidates = await bindRuntimes(tx, kinds, agent.name, agent.definition)
  const runtime = candidates.find(({ health }) => health?.status !== 'down') ?? candidates[0]!
  const [session] = await tx
    .insert(sessions)
    .values({
      id: newId('ses'),
      agentId: agent.id,
      agentVersion: agent.version,
      runtimeId: runtime.id,
      title: toTitle(input.prompt),
      createdBy: actor.userId,
    })
    .returning()
  return session!
}

async function joinSession(tx: Db, actor: Actor, sessionId: string, agentRef: string): Promise<SessionRow> {
  const [found] = await tx
    .select({ session: sessions, agent: agents, runtimeDeleted: runtimes.deletedAt })
    .from(sessions)
    .innerJoin(agents, eq(agents.id, sessions.agentId))
    .innerJoin(runtimes, eq(runtimes.id, sessions.runtimeId))
    .where(eq(sessions.id, sessionId))
  if (!found) throw new HubError('session_not_found', `There is no session ${sessionId}.`)
  const { session, agent } = found
  authorize(actor, 'invoke', { type: 'agent', id: agent.id })
  if (agentRef !== agent.id && agentRef !== agent.name) {
    const other = await findAgent(tx, agentRef)
    throw new HubError(
      'session_agent_mismatch',
      `Session ${sessionId} belongs to agent ${agent.name}, not ${other.name}.`,
    )
  }
  if (agent.deletedAt) throw new HubError('agent_archived', `Agent ${agent.name} of session ${sessionId} was deleted.`)
  if (found.runtimeDeleted) throw new HubError('runtime_not_found', `The runtime of session ${sessionId} was deleted.`)
  return session
}

async function findAgent(
  tx: Db,
  ref: string,
): Promise<{ id: string; name: string; version: number; definition: AgentDefinition }> {
  const [agent] = await tx
    .select()
    .from(agents)
    .where(and(isNull(agents.deletedAt), ref.startsWith('agt_') ? eq(agents.id, ref) : eq(agents.name, ref)))
  if (!agent) throw new HubError('agent_not_found', `There is no agent ${ref}.`)
  return agent
}

async function requireFiles(tx: Db, actor: Actor, ids: string[]): Promise<void> {
  if (ids.length === 0) return
  const found = await tx.select({ id: artifacts.id }).from(artifacts).where(inArray(artifacts.id, ids))
  const lost = ids.filter((id) => !found.some((file) => file.id === id))
  if (lost.length > 0) throw new HubError('file_not_found', `There is no file ${lost.join(', ')}.`)
  for (const { id } of found) authorize(actor, 'observe', { type: 'file', id })
}

async function requireFileSupport(tx: Db, kinds: Kinds, runtimeId: string): Promise<void> {
  const [runtime] = await tx.select().from(runtimes).where(eq(runtimes.id, runtimeId))
  if (runtime && !capabilitiesOf(kinds, runtime).config.files)
    throw new HubError('runtime_cannot', `Runtime ${runtime.name} takes no files.`)
}

/** Stops all that the session has open, so that the new run is next. */
async function interruptSession(tx: Db, sessionId: string): Promise<void> {
  const open = await tx
    .select({ id: runs.id })
    .from(runs)
    .where(and(eq(runs.sessionId, sessionId), inArray(runs.status, [...OPEN_STATUSES])))
    // One order for all, so that two who interrupt at once do not wait for each other.
    .orderBy(asc(runs.position))
  for (const { id } of open) {
    try {
      await requestStop(tx, id, 'interrupted by a new message')
    } catch (error) {
      // It ended by itself just now: nothing is in the way any more.
      if (!(error instanceof HubError) || error.code !== 'run_finished') throw error
    }
  }
}

/** The first line of the prompt, short enough for a list. */
function toTitle(prompt: string): string {
  const line = prompt.trim().split('\n', 1)[0] ?? ''
  return line.length > 80 ? `${line.slice(0, 79)}…` : line
}
