import { and, desc, eq, gte, lt, sql } from 'drizzle-orm'
import type { Actor } from '../access/actor.ts'
import { authorize } from '../access/policy.ts'
import type { Core, ListOptions } from '../core.ts'
import type { Db } from '../database.ts'
import { HubError } from '../errors.ts'
import { fromCursor, pageSize, toPage } from '../page.ts'
import { parse } from '../parse.ts'
import { agents, approvals, runs, sessions } from '../schema/index.ts'
import type { Scrubber } from '../secrets/scrubber.ts'
import { Decision, isTerminal, type Run, SendMessage, StartRun } from '../shapes.ts'
import type { Kinds } from './bind.ts'
import { recordDecision } from './decide.ts'
import { type Feed, stateTopic } from './feed.ts'
import type { FileStore } from './files.ts'
import { wellFormed } from './framing.ts'
import { isFinal, readEvents } from './log.ts'
import { sendMessage } from './send-message.ts'
import { readApprovals, readRun, readRuns, readSessions } from './shape.ts'
import { startRun } from './start-run.ts'
import { requestStop } from './stop-run.ts'

/** No answer is held longer than this: clients and proxies give up soon after. */
const MAX_WAIT_MS = 45_000

type Deps = { db: Db; kinds: Kinds; feed: Feed; scrubber: Scrubber; files: FileStore }

export function runsOf({ db, kinds, feed, scrubber, files }: Deps): Core['runs'] {
  const clean = (text: string) => scrubber.scrub(wellFormed(text)).text

  async function get(actor: Actor, id: string): Promise<Run> {
    const run = await readRun(db, id)
    authorize(actor, 'observe', { type: 'run', id })
    return run
  }

  return {
    async start(actor, input, options = {}) {
      const { agent, prompt, session_id: sessionId, mode, files: fileIds = [] } = parse(StartRun, input, 'The request')
      const key = options.requestKey === undefined ? {} : { requestKey: options.requestKey }
      if (sessionId !== undefined && mode === 'steer') {
        await requireAgentOfSession(db, sessionId, agent)
        return await readRun(
          db,
          await sendMessage(db, kinds, actor, sessionId, { prompt: clean(prompt), mode, files: fileIds, ...key }),
        )
      }
      const id = await startRun(db, kinds, actor, {
        agent,
        prompt: clean(prompt),
        files: fileIds,
        mode: mode === 'interrupt' ? 'interrupt' : 'queue',
        ...(sessionId === undefined ? {} : { sessionId }),
        ...key,
      })
      return await readRun(db, id)
    },
    get,
    async list(actor, options = {}) {
      authorize(actor, 'observe', { type: 'hub', id: 'runs' })
      const limit = pageSize(options.limit)
      const before = fromCursor(options.cursor)
      const agentId = options.agent === undefined ? undefined : await agentIdOf(db, options.agent)
      const found = await readRuns(
        db,
        and(
          before === null ? undefined : lt(runs.id, before),
          agentId === undefined ? undefined : eq(runs.agentId, agentId),
          options.status === undefined ? undefined : eq(runs.status, options.status),
          options.session_id === undefined ? undefined : eq(runs.sessionId, options.session_id),
          options.since === undefined ? undefined : gte(runs.createdAt, toDate(options.since)),
        ),
        desc(runs.id),
        limit + 1,
      )
      return toPage(
        found,
        limit,
        ({ id }) => id,
        (run) => run,
      )
    },
    async wait(actor, id, { seconds, signal, from }) {
      const until = Date.now() + Math.min(seconds * 1_000, MAX_WAIT_MS)
      for (;;) {
        const changed = feed.changed(stateTopic(id), Math.max(0, Math.min(until - Date.now(), 2_000)), signal)
        const run = await get(actor, id)
        const settled =
          isTerminal(run.status) ||
          (from ? isOther(run, from) : run.status === 'awaiting_input' && run.pending.length > 0)
        if (settled || Date.now() >= until || signal?.aborted) return run
        await changed
      }
    },
    async stop(actor, id, options = {}) {
      authorize(actor, 'stop', { type: 'run', id })
      await requestStop(db, id, clean(options.reason ?? `stopped by ${actor.name}`))
      return await readRun(db, id)
    },
    async events(actor, id, options = {}) {
      const { after = 0, types, signal } = options
      const limit = Math.min(1_000, Math.max(1, options.limit ?? 200))
      await get(actor, id)
      const until = Date.now() + Math.min((options.wait_seconds ?? 0) * 1_000, MAX_WAIT_MS)
      for (;;) {
        const changed = feed.changed(id, Math.max(0, Math.min(until - Date.now(), 2_000)), signal)
        // Read first, so that a page that is not full went through all up to here, also through what `types` leaves out.
        const end = await endOfLog(db, id)
        const events = await readEvents(db, id, { after, limit, ...(types ? { types } : {}) })
        const last = events.at(-1)
        const next = events.length < limit ? Math.max(after, end.seq, last?.seq ?? 0) : last!.seq
        const done = last && isFinal(last) ? true : end.over && next >= end.seq
        if (last || done || Date.now() >= until || signal?.aborted) return { events, next_after: next, done }
        await changed
      }
    },
    async *watch(actor, id, options = {}) {
      const run = await get(actor, id)
      // Past the end of a run that is over there is nothing to wait for.
      if (isTerminal(run.status) && (options.after ?? 0) >= run.last_seq) return
      yield* feed.watch(id, options.after ?? 0, options.signal)
    },
    async artifacts(actor, id) {
      await get(actor, id)
      return await files.list(id)
    },
  }
}

export function sessionsOf({ db, kinds, scrubber }: Deps): Core['sessions'] {
  return {
    async get(actor, id) {
      const [session] = await readSessions(db, { id }, 1)
      if (!session) throw new HubError('session_not_found', `There is no session ${id}.`)
      authorize(actor, 'observe', { type: 'session', id })
      return session
    },
    async list(actor, options = {}) {
      authorize(actor, 'observe', { type: 'hub', id: 'sessions' })
      const limit = pageSize(options.limit)
      const before = fromCursor(options.cursor)
      const agentId = options.agent === undefined ? undefined : await agentIdOf(db, options.agent)
      const found = await readSessions(
        db,
        {
          ...(agentId === undefined ? {} : { agentId }),
          ...(options.status === undefined ? {} : { status: options.status }),
          ...(before === null ? {} : { beforeId: before }),
        },
        limit + 1,
      )
      return toPage(
        found,
        limit,
        ({ id }) => id,
        (session) => session,
      )
    },
    async send(actor, id, input, options = {}) {
      const { prompt, mode, files: fileIds = [] } = parse(SendMessage, input, 'The message')
      const runId = await sendMessage(db, kinds, actor, id, {
        prompt: scrubber.scrub(wellFormed(prompt)).text,
        mode,
        files: fileIds,
        ...(options.requestKey === undefined ? {} : { requestKey: options.requestKey }),
      })
      return await readRun(db, runId)
    },
    async update(actor, id) {
      authorize(actor, 'steer', { type: 'session', id })
      const [moved] = await db
        .update(sessions)
        .set({
          agentVersion: sql`(select ${agents.version} from ${agents} where ${agents.id} = ${sessions.agentId})`,
          updatedAt: sql`now()`,
        })
        .where(eq(sessions.id, id))
        .returning({ id: sessions.id })
      if (!moved) throw new HubError('session_not_found', `There is no session ${id}.`)
      const [session] = await readSessions(db, { id }, 1)
      return session!
    },
  }
}

export function approvalsOf({ db, scrubber }: Deps): Core['approvals'] {
  async function get(actor: Actor, id: string) {
    const [approval] = await readApprovals(db, eq(approvals.id, id), desc(approvals.id), 1)
    if (!approval) throw new HubError('approval_not_found', `There is no approval ${id}.`)
    authorize(actor, 'observe', { type: 'approval', id })
    return approval
  }
  return {
    get,
    async list(
      actor,
      options: ListOptions & { status?: 'pending' | 'decided' | 'expired' | 'cancelled'; run_id?: string } = {},
    ) {
      authorize(actor, 'observe', { type: 'hub', id: 'approvals' })
      const limit = pageSize(options.limit)
      const before = fromCursor(options.cursor)
      const found = await readApprovals(
        db,
        and(
          before === null ? undefined : lt(approvals.id, before),
          options.status === undefined ? undefined : eq(approvals.status, options.status),
          options.run_id === undefined ? undefined : eq(approvals.runId, options.run_id),
        ),
        desc(approvals.id),
        limit + 1,
      )
      return toPage(
        found,
        limit,
        ({ id }) => id,
        (approval) => approval,
      )
    },
    async decide(actor, id, decision) {
      const { option_id: optionId, note } = parse(Decision, decision, 'The decision')
      await recordDecision(db, actor, id, {
        optionId,
        ...(note === undefined ? {} : { note: scrubber.scrub(wellFormed(note)).text }),
      })
      return await get(actor, id)
    },
  }
}

async function agentIdOf(db: Db, ref: string): Promise<string> {
  const found = await db
    .select({ id: agents.id, deletedAt: agents.deletedAt })
    .from(agents)
    .where(ref.startsWith('agt_') ? eq(agents.id, ref) : eq(agents.name, ref))
  const living = found.find(({ deletedAt }) => deletedAt === null) ?? found[0]
  if (!living) throw new HubError('agent_not_found', `There is no agent ${ref}.`)
  return living.id
}

async function requireAgentOfSession(db: Db, sessionId: string, ref: string): Promise<void> {
  const [found] = await db
    .select({ id: agents.id, name: agents.name })
    .from(sessions)
    .innerJoin(agents, eq(agents.id, sessions.agentId))
    .where(eq(sessions.id, sessionId))
  if (!found) throw new HubError('session_not_found', `There is no session ${sessionId}.`)
  if (ref !== found.id && ref !== found.name)
    throw new HubError('session_agent_mismatch', `Session ${sessionId} belongs to agent ${found.name}, not ${ref}.`)
}

/** The seq of the last event so far, and whether nothing follows it. */
async function endOfLog(db: Db, runId: string): Promise<{ seq: number; over: boolean }> {
  const [run] = await db
    .select({ next: runs.nextSeq, finishedAt: runs.finishedAt })
    .from(runs)
    .where(eq(runs.id, runId))
  return { seq: (run?.next ?? 1) - 1, over: run !== undefined && run.finishedAt !== null }
}

function isOther(run: Run, from: Run): boolean {
  return (
    run.status !== from.status || run.pending.map(({ id }) => id).join() !== from.pending.map(({ id }) => id).join()
  )
}

function toDate(text: string): Date {
  const date = new Date(text)
  if (Number.isNaN(date.getTime()))
    throw new HubError('invalid_request', `"${text}" is not a time.`, {
      hint: 'Use ISO 8601, such as 2026-01-31T09:00:00Z.',
    })
  return date
}

export { toDate }
