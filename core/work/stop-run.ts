import { and, eq, sql } from 'drizzle-orm'
import { type Db, notify } from '../database.ts'
import { HubError } from '../errors.ts'
import { newId } from '../id.ts'
import { runMessages, runs } from '../schema/index.ts'
import { appendEvents, CHANNEL, type NewEvent } from './log.ts'

/**
 * Asks a run to stop. One that waits in the queue is over at once; one at work is told through its holder. Asking again
 * changes nothing. Throws run_finished when it ended in another way.
 */
export async function requestStop(db: Db, runId: string, reason: string): Promise<void> {
  await db.transaction(async (tx) => {
    const [run] = await tx.select().from(runs).where(eq(runs.id, runId)).for('update')
    if (!run) throw new HubError('run_not_found', `There is no run ${runId}.`)
    switch (run.status) {
      case 'cancelled':
        return
      case 'succeeded':
      case 'failed':
        throw new HubError('run_finished', `Run ${runId} is over: ${run.status}.`)
      case 'queued': {
        const fence = run.fence + 1
        await tx
          .update(runs)
          .set({ status: 'cancelled', fence, stopRequestedAt: sql`now()`, stopReason: reason, finishedAt: sql`now()` })
          .where(and(eq(runs.id, runId), eq(runs.status, 'queued')))
        await appendEvents(tx, { id: runId, fence }, run.nextSeq, cancelledEvents(run.sessionId, runId))
        await notify(tx, CHANNEL, `settled:${runId}`)
        return
      }
      case 'running':
      case 'awaiting_input': {
        if (run.stopRequestedAt) return
        await tx.update(runs).set({ stopRequestedAt: sql`now()`, stopReason: reason }).where(eq(runs.id, runId))
        await tx.insert(runMessages).values({ id: newId('msg'), runId, type: 'cancel', body: { reason } })
        await notify(tx, CHANNEL, `message:${runId}`)
      }
    }
  })
}

function cancelledEvents(threadId: string, runId: string): NewEvent[] {
  const at = new Date()
  return [
    { type: 'RUN_STARTED', at, threadId, runId },
    { type: 'RUN_FINISHED', at, threadId, runId, outcome: { type: 'cancelled' } },
  ]
}
