import { and, asc, eq, gt, sql } from 'drizzle-orm'
import { type Db, notify } from '../database.ts'
import { HubError } from '../errors.ts'
import type { InboxEvent } from '../ports.ts'
import { inbox, runs } from '../schema/index.ts'
import type { Feed } from './feed.ts'
import { wellFormedValue } from './framing.ts'
import { CHANNEL } from './log.ts'

/** Stores what a runtime posted back, once each, and wakes whichever replica holds the run. */
export async function receiveEvents(db: Db, runtimeId: string, runId: string, received: InboxEvent[]): Promise<void> {
  const [run] = await db
    .select({ id: runs.id })
    .from(runs)
    .where(and(eq(runs.id, runId), eq(runs.runtimeId, runtimeId)))
  if (!run) throw new HubError('run_not_found', `This runtime has no run ${runId}.`)
  if (received.length === 0) return
  await db.transaction(async (tx) => {
    await tx
      .insert(inbox)
      .values(received.map(({ seq, event }) => ({ runId, seq, event: wellFormedValue(event) })))
      .onConflictDoNothing()
    await notify(tx, CHANNEL, `inbox:${runId}`)
  })
}

/** What came for a run after `afterSeq`, gapless in order of seq (which begins at 1); waits for more until the signal aborts. */
export async function* readInbox(
  db: Db,
  feed: Feed,
  runId: string,
  afterSeq: number,
  signal: AbortSignal,
): AsyncGenerator<InboxEvent> {
  for (let seen = afterSeq; !signal.aborted; ) {
    const arrived = feed.changed(inboxTopic(runId), 2_000, signal)
    const found = await db
      .select({ seq: inbox.seq, event: inbox.event })
      .from(inbox)
      .where(and(eq(inbox.runId, runId), gt(inbox.seq, seen)))
      .orderBy(asc(inbox.seq))
      .limit(1_000)
    const before = seen
    for (const event of found) {
      // Delivery may be out of order: what is missing comes first, or nothing does.
      if (event.seq !== seen + 1) break
      seen = event.seq
      yield event
    }
    if (seen === before) await arrived
  }
}

/** Watched apart from the run's own log, which changes far more often. */
export const inboxTopic = (runId: string): string => `inbox:${runId}`

/** Callbacks of runs that are long over are of no use to anyone. */
export async function forgetInbox(db: Db): Promise<void> {
  await db.execute(
    sql`delete from inbox using runs where runs.id = inbox.run_id and runs.finished_at < now() - interval '1 day'`,
  )
}
