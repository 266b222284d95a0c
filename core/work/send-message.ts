import { and, asc, eq, inArray, sql } from 'drizzle-orm'
import type { Actor } from '../access/actor.ts'
import { authorize } from '../access/policy.ts'
import { type Db, notify } from '../database.ts'
import { HubError } from '../errors.ts'
import { newId } from '../id.ts'
import { agents, approvals, runMessages, runs, runtimes, sessions } from '../schema/index.ts'
import type { MessageMode } from '../shapes.ts'
import { capabilitiesOf, type Kinds } from './bind.ts'
import { recordDecision } from './decide.ts'
import { CHANNEL } from './log.ts'
import { type NewRun, startedRun, startRun } from './start-run.ts'

export type Message = { prompt: string; mode: MessageMode; files: string[]; requestKey?: string }

/** Says something in a session; what it does depends on the mode and on what the session is doing. Returns the run it went to. */
export async function sendMessage(
  db: Db,
  kinds: Kinds,
  actor: Actor,
  sessionId: string,
  message: Message,
): Promise<string> {
  const session = await findSession(db, sessionId)
  if (message.requestKey !== undefined) {
    const [earlier] = await db
      .select({ runId: runMessages.runId, text: sql<string>`${runMessages.body}->>'text'` })
      .from(runMessages)
      .where(eq(runMessages.requestKey, message.requestKey))
    if (earlier && earlier.text !== message.prompt) {
      throw new HubError('idempotency_conflict', `This key already said something else to run ${earlier.runId}.`)
    }
    if (earlier) return earlier.runId
  }
  const { prompt, files, requestKey } = message
  const fresh: NewRun = {
    agent: session.agentId,
    prompt,
    files,
    sessionId,
    mode: message.mode === 'interrupt' ? 'interrupt' : 'queue',
    ...(requestKey === undefined ? {} : { requestKey }),
  }
  // Come again, it must not be taken for an answer or a word to the very run that it started.
  const started = await startedRun(db, fresh)
  if (started !== null) return started
  const atWork = await runAtWork(db, sessionId)
  if (atWork?.status === 'awaiting_input' && message.mode !== 'interrupt') {
    const answered = await answerQuestion(db, actor, atWork.id, message)
    if (answered) return atWork.id
    if (message.mode === 'steer') {
      throw new HubError('session_waiting', `Run ${atWork.id} waits for a permission, which a message cannot give.`)
    }
  }
  if (message.mode === 'steer' && atWork?.status === 'running') {
    if (await steer(db, kinds, actor, session, atWork.id, message)) return atWork.id
  }
  return await startRun(db, kinds, actor, fresh)
}

async function findSession(db: Db, id: string): Promise<{ agentId: string; runtime: typeof runtimes.$inferSelect }> {
  const [found] = await db
    .select({ agentId: sessions.agentId, runtime: runtimes })
    .from(sessions)
    .innerJoin(runtimes, eq(runtimes.id, sessions.runtimeId))
    .innerJoin(agents, eq(agents.id, sessions.agentId))
    .where(eq(sessions.id, id))
  if (!found) throw new HubError('session_not_found', `There is no session ${id}.`)
  return found
}

async function runAtWork(db: Db, sessionId: string): Promise<{ id: string; status: string } | undefined> {
  const [run] = await db
    .select({ id: runs.id, status: runs.status })
    .from(runs)
    .where(and(eq(runs.sessionId, sessionId), inArray(runs.status, ['running', 'awaiting_input'])))
    .orderBy(asc(runs.position))
    .limit(1)
  return run
}

/** A free message answers the oldest open question; a permission needs a decision that names its option. */
async function answerQuestion(db: Db, actor: Actor, runId: string, message: Message): Promise<boolean> {
  const [question] = await db
    .select({ id: approvals.id })
    .from(approvals)
    .where(and(eq(approvals.runId, runId), eq(approvals.status, 'pending'), eq(approvals.kind, 'question')))
    .orderBy(asc(approvals.id))
    .limit(1)
  if (!question) return false
  authorize(actor, 'steer', { type: 'run', id: runId })
  await recordDecision(db, actor, question.id, {
    text: message.prompt,
    ...(message.requestKey === undefined ? {} : { requestKey: message.requestKey }),
  })
  return true
}

async function steer(
  db: Db,
  kinds: Kinds,
  actor: Actor,
  session: { runtime: typeof runtimes.$inferSelect },
  runId: string,
  message: Message,
): Promise<boolean> {
  authorize(actor, 'steer', { type: 'run', id: runId })
  if (!capabilitiesOf(kinds, session.runtime).steer) {
    throw new HubError('runtime_cannot', `Runtime ${session.runtime.name} cannot take a message into a run at work.`, {
      hint: 'Send with mode queue (after this run) or interrupt (instead of it).',
    })
  }
  if (message.files.length > 0) {
    throw new HubError('runtime_cannot', 'A message into a run at work cannot carry files.', {
      hint: 'Send the files with mode queue.',
    })
  }
  return await db.transaction(async (tx) => {
    // Held until this commits: a run that ends first takes no message any more.
    const [open] = await tx
      .select({ id: runs.id })
      .from(runs)
      .where(and(eq(runs.id, runId), inArray(runs.status, ['running', 'awaiting_input'])))
      .for('share')
    if (!open) return false
    await tx
      .insert(runMessages)
      .values({
        id: newId('msg'),
        runId,
        type: 'steer',
        body: { text: message.prompt },
        requestKey: message.requestKey ?? null,
      })
      .onConflictDoNothing({ target: runMessages.requestKey })
    await notify(tx, CHANNEL, `message:${runId}`)
    return true
  })
}
