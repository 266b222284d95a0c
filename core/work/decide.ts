import { and, eq, gt, inArray, sql } from 'drizzle-orm'
import type { Actor } from '../access/actor.ts'
import { authorize } from '../access/policy.ts'
import { type Db, notify } from '../database.ts'
import { HubError } from '../errors.ts'
import { newId } from '../id.ts'
import { approvals, runMessages } from '../schema/index.ts'
import type { InterruptOption } from '../shapes.ts'
import { CHANNEL } from './log.ts'

/** Either one of the options, or free text for a question. */
export type Decided = { optionId?: string; text?: string; note?: string; requestKey?: string }

/**
 * Decides an approval, once: by compare-and-set, so that of two at once one wins. The decision is stored for the run's
 * holder in the same transaction. The same decision again changes nothing; another one throws approval_decided.
 */
export async function recordDecision(db: Db, actor: Actor, approvalId: string, decided: Decided): Promise<void> {
  authorize(actor, 'approve', { type: 'approval', id: approvalId })
  await db.transaction(async (tx) => {
    const [approval] = await tx.select().from(approvals).where(eq(approvals.id, approvalId))
    if (!approval) throw new HubError('approval_not_found', `There is no approval ${approvalId}.`)
    const option = chooseOption(approval.id, approval.options, decided)
    const [won] = await tx
      .update(approvals)
      .set({
        status: 'decided',
        optionId: option.id,
        note: decided.note ?? null,
        decidedBy: actor.userId,
        decidedAt: sql`now()`,
      })
      .where(and(eq(approvals.id, approvalId), eq(approvals.status, 'pending'), gt(approvals.expiresAt, sql`now()`)))
      .returning({ id: approvals.id })
    if (!won) return refuse(tx, approvalId, option.id)
    await tellHolder(
      tx,
      approval.runId,
      { approvalId, interruptId: approval.nativeId, option, text: decided.text, note: decided.note },
      decided.requestKey,
    )
  })
}

/** An answer that nobody gave in time is a no; where no option says no, the first rejecting meaning is made up here. */
export async function expireApprovals(db: Db): Promise<number> {
  return await db.transaction(async (tx) => {
    const expired = await tx
      .update(approvals)
      .set({ status: 'expired', decidedAt: sql`now()` })
      .where(
        inArray(
          approvals.id,
          tx
            .select({ id: approvals.id })
            .from(approvals)
            .where(and(eq(approvals.status, 'pending'), sql`${approvals.expiresAt} <= now()`))
            .limit(100)
            .for('update', { skipLocked: true }),
        ),
      )
      .returning()
    for (const approval of expired) {
      const option = rejection(approval.options)
      await tellHolder(tx, approval.runId, {
        approvalId: approval.id,
        interruptId: approval.nativeId,
        option,
        expired: true,
        note: 'Nobody answered in time.',
      })
    }
    return expired.length
  })
}

/** The option that says no, as mildly as there is one. */
function rejection(options: InterruptOption[]): InterruptOption {
  return (
    options.find(({ kind }) => kind === 'reject_once') ??
    options.find(({ kind }) => kind === 'reject_always') ?? { id: 'reject', label: 'Reject', kind: 'reject_once' }
  )
}

function chooseOption(approvalId: string, options: InterruptOption[], decided: Decided): InterruptOption {
  if (decided.optionId === undefined) return { id: 'answer', label: 'Answer', kind: 'answer' }
  const option = options.find(({ id }) => id === decided.optionId)
  if (option) return option
  throw new HubError('invalid_request', `Approval ${approvalId} has no option ${decided.optionId}.`, {
    hint: `Options: ${options.map(({ id }) => id).join(', ')}.`,
  })
}

async function refuse(tx: Db, approvalId: string, optionId: string): Promise<void> {
  const [now] = await tx.select().from(approvals).where(eq(approvals.id, approvalId))
  if (now?.status === 'decided' && now.optionId === optionId && optionId !== 'answer') return
  if (now?.status === 'decided')
    throw new HubError('approval_decided', `Approval ${approvalId} was decided before: ${now.optionId}.`)
  throw new HubError('approval_expired', `Approval ${approvalId} is no longer waited for.`)
}

async function tellHolder(tx: Db, runId: string, body: Record<string, unknown>, requestKey?: string): Promise<void> {
  await tx.insert(runMessages).values({ id: newId('msg'), runId, type: 'answer', body, requestKey: requestKey ?? null })
  await notify(tx, CHANNEL, `message:${runId}`)
}
