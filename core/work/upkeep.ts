import { and, eq, sql } from 'drizzle-orm'
import { type Db, rows } from '../database.ts'
import { faultMessage } from '../errors.ts'
import { forgetRequests } from '../idempotency.ts'
import type { Log } from '../ports.ts'
import { runs } from '../schema/index.ts'
import type { Scrubber } from '../secrets/scrubber.ts'
import { pause } from './attempt.ts'
import type { Kinds } from './bind.ts'
import { expireApprovals } from './decide.ts'
import { measure } from './declarations.ts'
import type { Feed } from './feed.ts'
import type { FileStore } from './files.ts'
import { forgetInbox } from './inbox.ts'
import type { Pool } from './pool.ts'
import { liveRuntimes, storeHealth } from './runtimes.ts'
import { tick } from './schedules.ts'
import { settle } from './settle.ts'

/** A replica not seen for this long will not come back for its sessions by itself. */
const PLACEMENT_LOST = sql`interval '15 minutes'`

/** What must be done now and then, on every replica; each step is safe to do on several at once. */
export function startUpkeep(input: {
  db: Db
  kinds: Kinds
  log: Log
  files: FileStore
  feed: Feed
  pool: Pool
  scrubber: Scrubber
  /** Of this replica, which is not lost while it asks. */
  placement: string
}): () => Promise<void> {
  const { db, kinds, log, files, feed, pool, scrubber, placement } = input
  const stop = new AbortController()
  const loops = [
    every(1_000, 'schedules', () => tick(db, kinds, log)),
    every(2_000, 'approvals', () => expireApprovals(db)),
    every(30_000, 'placements', () => failLost(db, feed, placement)),
    every(60_000, 'health', () => checkAll()),
    every(600_000, 'old rows', async () => {
      await forgetRequests(db)
      await forgetInbox(db)
      await db.execute(sql`delete from session_tokens where revoked or expires_at < now()`)
      await files.expire()
    }),
  ]

  async function every(delayMs: number, what: string, step: () => Promise<unknown>): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await step()
      } catch (error) {
        if (!stop.signal.aborted) log.error(`upkeep of ${what} failed`, { error: faultMessage(error) })
      }
      await pause(delayMs, stop.signal)
    }
  }

  async function checkAll(): Promise<void> {
    for (const runtime of await liveRuntimes(db)) {
      if (stop.signal.aborted) return
      const health = await measure(pool, runtime, { log, scrubber, signal: stop.signal })
      // Cut short by the end of the hub: that says nothing about the runtime.
      if (stop.signal.aborted) return
      await storeHealth(db, runtime.id, health)
    }
  }

  return async () => {
    stop.abort()
    await Promise.all(loops)
  }
}

/** Queued runs of sessions that live in a replica which is gone would wait for ever: they fail, and say why. */
async function failLost(db: Db, feed: Feed, placement: string): Promise<void> {
  const lost = await rows<{ id: string }>(
    db,
    sql`select r.id from runs r join sessions s on s.id = r.session_id join replicas p on p.placement = s.placement
        where r.status in ('queued', 'running', 'awaiting_input') and (r.lease_until is null or r.lease_until < now())
          and p.placement <> ${placement} and p.seen_at < now() - ${PLACEMENT_LOST} limit 100`,
  )
  for (const { id } of lost) {
    const written = await db.transaction(async (tx) => {
      // Not "for update", which waits for a decision that waits for this.
      const [run] = await tx.select().from(runs).where(eq(runs.id, id)).for('no key update', { skipLocked: true })
      if (!run || run.finishedAt || (run.leaseUntil && run.leaseUntil.getTime() > Date.now())) return null
      const fence = run.fence + 1
      await tx
        .update(runs)
        .set({ fence })
        .where(and(eq(runs.id, id), eq(runs.fence, run.fence)))
      const at = new Date()
      const error = {
        code: 'placement_lost',
        message: 'The hub replica that holds this session has not been seen for 15 minutes.',
      }
      // A log that has not begun, or was paused by an interrupt, begins (again) before it ends.
      const pausedOrNew = run.nextSeq === 1 || run.status === 'awaiting_input'
      return await settle(
        tx,
        { id, fence, sessionId: run.sessionId },
        run.nextSeq,
        [
          ...(pausedOrNew ? [{ type: 'RUN_STARTED', at, threadId: run.sessionId, runId: id }] : []),
          { type: 'RUN_ERROR', at, ...error },
        ],
        { status: 'failed', output: null, error },
        {},
      )
    })
    if (written) feed.publish(id, written.events)
  }
}
