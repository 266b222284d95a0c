import { asc, eq, sql } from 'drizzle-orm'
import type { Database, Db } from '../database.ts'
import { faultMessage, faultTrace, HubError } from '../errors.ts'
import { type Log, type RuntimeEvent, RuntimeRejection } from '../ports.ts'
import { approvals, replicas } from '../schema/index.ts'
import type { Scrubber } from '../secrets/scrubber.ts'
import type { Limits } from '../shapes.ts'
import { attempt, pause } from './attempt.ts'
import type { Kinds } from './bind.ts'
import type { Feed } from './feed.ts'
import { framing } from './framing.ts'
import {
  type Claimed,
  claim,
  LEASE_MS,
  messageHandled,
  openMessages,
  type RunMessage,
  releaseLeases,
  renew,
} from './lease.ts'
import { readEvents } from './log.ts'
import type { Pool } from './pool.ts'
import { createRecorder, type Waiting } from './recorder.ts'
import { DEFAULTS, type ModelEndpoint, toTurn } from './turn.ts'

/** A backstop for lost notifications. */
const POLL_MS = 1_000
/** Runs at work at once in this process, where the configuration sets no `limits.concurrency`. */
const SLOTS = 512

type Job = { claimed: Claimed; abort: AbortController; wake(): void; done: Promise<void> }

export type WorkerInput = {
  database: Database
  kinds: Kinds
  feed: Feed
  pool: Pool
  scrubber: Scrubber
  log: Log
  /** Unique to this process; begins with the placement and a colon. */
  holder: string
  placement: string
  /** What the configuration says now. */
  limits(): { concurrency?: number | undefined; defaults?: Limits | undefined }
  settings(): { modelEndpoint: ModelEndpoint | null; defaultModel: string | null; publicUrl: string | null }
  files: {
    read(id: string): Promise<Uint8Array>
    save(run: { id: string; createdBy: string }, fact: Extract<RuntimeEvent, { type: 'artifact' }>): Promise<unknown>
  }
}

export type Worker = { wake(): void; message(runId: string): void; inHand(): number; stop(): Promise<void> }

/** Claims runs and does them until stopped. What it holds when stopped is left for the next start or another replica. */
export async function startWorker(input: WorkerInput): Promise<Worker> {
  const { db } = input.database
  const jobs = new Map<string, Job>()
  const stopping = new AbortController()
  let wanted: (() => void) | null = null
  let again = false

  // Whoever held runs under this placement before is dead: two processes never share it.
  await releaseLeases(db, input.placement)
  await tellSeen()
  const claiming = claimLoop()
  const renewing = renewLoop()

  return {
    wake() {
      again = true
      wanted?.()
    },
    message(runId) {
      jobs.get(runId)?.wake()
    },
    inHand: () => jobs.size,
    async stop() {
      stopping.abort()
      wanted?.()
      for (const { abort } of jobs.values()) abort.abort()
      await Promise.all([claiming, renewing])
      await Promise.all([...jobs.values()].map(({ done }) => done))
      await releaseLeases(db, input.placement).catch(() => {})
    },
  }

  async function claimLoop(): Promise<void> {
    while (!stopping.signal.aborted) {
      again = false
      const { concurrency = SLOTS, defaults } = input.limits()
      const credits = concurrency - jobs.size
      let taken: Claimed[] = []
      try {
        if (credits > 0)
          taken = await claim(db, input.kinds, {
            holder: input.holder,
            placement: input.placement,
            credits: Math.min(credits, 200),
            ...(defaults?.concurrency === undefined ? {} : { agentConcurrency: defaults.concurrency }),
          })
      } catch (error) {
        input.log.error('claiming failed', { error: faultMessage(error) })
        await pause(POLL_MS, stopping.signal)
      }
      // Claimed while the hub stops: left, like the others, for the next start.
      if (stopping.signal.aborted) return
      for (const claimed of taken) begin(claimed)
      if (taken.length === 0 && !again) await rest()
    }
  }

  function rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, POLL_MS)
      function done() {
        clearTimeout(timer)
        wanted = null
        resolve()
      }
      wanted = done
      if (stopping.signal.aborted) done()
    })
  }

  async function renewLoop(): Promise<void> {
    while (!stopping.signal.aborted) {
      await pause(LEASE_MS / 3, stopping.signal)
      if (stopping.signal.aborted) return
      try {
        const held = [...jobs.values()].map(({ claimed }) => ({ runId: claimed.run.id, fence: claimed.fence }))
        const { lost, messages } = await renew(db, { holder: input.holder, held })
        for (const runId of lost) jobs.get(runId)?.abort.abort()
        for (const { runId } of messages) jobs.get(runId)?.wake()
        await tellSeen()
      } catch (error) {
        // The leases run out by themselves if this lasts; another replica takes over then and the fence keeps this one out.
        input.log.error('renewing leases failed', { error: faultMessage(error) })
      }
    }
  }

  /** Before the first claim, too: others fail the runs of a replica that was away for long. */
  async function tellSeen(): Promise<void> {
    await db
      .insert(replicas)
      .values({ placement: input.placement, holder: input.holder })
      .onConflictDoUpdate({ target: replicas.placement, set: { holder: input.holder, seenAt: sql`now()` } })
  }

  function begin(claimed: Claimed): void {
    const abort = new AbortController()
    const { id } = claimed.run
    let heard: () => void = () => {}
    // Its lease ran out under this very process: the older attempt must not go on beside the new one.
    jobs.get(id)?.abort.abort()
    const job: Job = { claimed, abort, wake: () => heard(), done: Promise.resolve() }
    jobs.set(id, job)
    job.done = work(claimed, abort, (listener) => {
      heard = listener
    })
      .catch((error: unknown) => {
        if (!abort.signal.aborted)
          input.log.error('a run could not be worked on', {
            run: id,
            error: faultMessage(error),
            stack: faultTrace(error),
          })
      })
      .finally(() => {
        if (jobs.get(id) === job) jobs.delete(id)
      })
  }

  async function work(claimed: Claimed, abort: AbortController, onWake: (listener: () => void) => void): Promise<void> {
    const { run, fence, agent } = claimed
    // What the agent says itself wins over what the hub says for all.
    const limits = { ...input.limits().defaults, ...agent.definition.limits }
    const seen = run.nextSeq === 1 ? { log: [], interrupts: fresh } : await remember(db, claimed)
    const recorder = createRecorder({
      db,
      feed: input.feed,
      run: { id: run.id, sessionId: run.sessionId, fence, nextSeq: run.nextSeq },
      framing: framing(input.scrubber, seen.log, run.cursorSeq),
      interrupts: seen.interrupts,
      inputMs: (limits.input_seconds ?? DEFAULTS.inputSeconds) * 1_000,
      deadlineAt: run.deadlineAt,
      onLost: (error) => {
        if (!abort.signal.aborted)
          input.log.warn('a run is no longer written here', { run: run.id, error: faultMessage(error) })
        abort.abort()
      },
    })
    const deadline = run.deadlineAt ?? new Date(Date.now() + (limits.seconds ?? DEFAULTS.seconds) * 1_000)
    try {
      if (claimed.broken !== null) throw new HubError('invalid_config', claimed.broken)
      const runtime = await input.pool.open(claimed.runtime)
      // Not begun yet: the next start or another replica may send the prompt.
      AbortSignal.any([abort.signal, stopping.signal]).throwIfAborted()
      const turn = toTurn(claimed, { ...input.settings(), limits, deadline, readFile: input.files.read })
      const ref = run.ref ?? runtime.prepare(turn)
      if (run.phase === 'new') await recorder.begin(ref, deadline)
      const result = await attempt({
        runtime,
        turn,
        recorder,
        log: input.log,
        phase: run.phase,
        ref,
        cursor: run.cursor,
        repeatSafe: agent.definition.repeat_safe || input.pool.capabilities(claimed.runtime).idempotent_start,
        stopRequested: run.stopRequestedAt !== null,
        limits: {
          silenceMs: (limits.silence_seconds ?? DEFAULTS.silenceSeconds) * 1_000,
          tokens: limits.tokens ?? null,
          turns: limits.turns ?? null,
        },
        messages: (signal) => messagesOf(db, run.id, onWake, signal),
        handled: (message, result) => messageHandled(db, message.id, result),
        saveArtifact: async (fact) =>
          recorder.custom('artifact', await input.files.save({ id: run.id, createdBy: run.createdBy }, fact)),
        signal: AbortSignal.any([abort.signal, stopping.signal]),
      })
      if (result === null) await recorder.leave()
      else await recorder.finish(result.outcome, result.ref)
    } catch (error) {
      if (abort.signal.aborted || stopping.signal.aborted) {
        await recorder.leave()
        return
      }
      const known = error instanceof HubError || error instanceof RuntimeRejection
      const code = known ? error.code : 'runtime_failed'
      const message = known ? error.message : `The runtime's adapter failed: ${faultMessage(error)}`
      if (!known)
        input.log.error('a runtime adapter failed', {
          run: run.id,
          error: faultTrace(error),
        })
      await recorder.finish({ status: 'failed', output: null, error: { code, message } }, undefined)
    }
  }
}

const fresh = { known: [] as string[], waiting: [] as Waiting[], interruptedAt: null }

/** What an earlier holder wrote and left open. */
async function remember(db: Db, { run }: Claimed) {
  const log = []
  for (let after = 0; ; ) {
    const page = await readEvents(db, run.id, { after, limit: 5_000 })
    log.push(...page)
    if (page.length < 5_000) break
    after = page.at(-1)!.seq
  }
  const stored = await db.select().from(approvals).where(eq(approvals.runId, run.id)).orderBy(asc(approvals.id))
  const handed = new Set((await openMessages(db, [run.id])).map(({ body }) => body.interruptId))
  const lifecycle = log.findLast(({ type }) => type === 'RUN_STARTED' || type === 'RUN_FINISHED')
  return {
    log,
    interrupts: {
      known: stored.map(({ nativeId }) => nativeId),
      // Decided, but not yet taken to the runtime: still waited for.
      waiting: stored
        .filter(({ status, nativeId }) => status === 'pending' || handed.has(nativeId))
        .map(({ id, nativeId, kind, message, tool, arguments: args, options, expiresAt }) => ({
          approvalId: id,
          expiresAt,
          interrupt: { id: nativeId, kind, message, options, arguments: args, ...(tool === null ? {} : { tool }) },
        })),
      interruptedAt: lifecycle?.type === 'RUN_FINISHED' ? new Date(lifecycle.at) : null,
    },
  }
}

/** Messages to one run: those stored already, then each as it comes; a poll is the backstop. */
async function* messagesOf(
  db: Db,
  runId: string,
  onWake: (listener: () => void) => void,
  signal: AbortSignal,
): AsyncGenerator<RunMessage> {
  const done = new Set<string>()
  let wake = new AbortController()
  onWake(() => wake.abort())
  while (!signal.aborted) {
    const mine = wake.signal
    for (const message of await openMessages(db, [runId])) {
      if (done.has(message.id)) continue
      done.add(message.id)
      yield message
    }
    await pause(10_000, AbortSignal.any([signal, mine]))
    if (mine.aborted) wake = new AbortController()
  }
}
