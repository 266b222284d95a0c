import { and, eq, inArray, isNull, lte } from 'drizzle-orm'
import type { Actor } from '../access/actor.ts'
import type { Db } from '../database.ts'
import { faultMessage, HubError } from '../errors.ts'
import type { Log } from '../ports.ts'
import { agents, runs, schedules, users } from '../schema/index.ts'
import { type Schedule, ScheduleDefinition } from '../shapes.ts'
import type { Kinds } from './bind.ts'
import { checkCron, missedTimes, nextTimes } from './cron.ts'
import { asDeclared, type Noun, type Row, toDeclared } from './declared.ts'
import { OPEN_STATUSES } from './shape.ts'
import { startRun } from './start-run.ts'

/** A tick this late is still on time; a later one was missed. */
const GRACE_MS = 60_000
const MAX_CATCH_UP = 100

export type ScheduleRow = typeof schedules.$inferSelect

export const scheduleNoun: Noun<ScheduleDefinition> = {
  type: 'schedule',
  prefix: 'sch',
  notFound: 'schedule_not_found',
  table: asDeclared(schedules),
  schema: ScheduleDefinition,
  async prepare(db, name, definition, { actor, isNew }) {
    const problem = checkCron(definition.cron, definition.timezone)
    if (problem !== null)
      throw new HubError('invalid_request', `Schedule ${name}: ${problem}`, {
        hint: 'Example: cron "0 9 * * 1-5", timezone "Europe/Berlin".',
      })
    const [agent] = await db
      .select({ id: agents.id })
      .from(agents)
      .where(and(eq(agents.name, definition.agent), isNull(agents.deletedAt)))
    if (!agent)
      throw new HubError('agent_not_found', `Schedule ${name} asks for agent ${definition.agent}, and there is none.`)
    const [next] = definition.enabled ? nextTimes(definition.cron, definition.timezone, new Date(), 1) : []
    return { nextRunAt: next ?? null, ...(isNew ? { ownerId: actor.userId } : {}) }
  },
  async release() {},
}

/**
 * Runs every schedule that is due, each tick once on whichever replica comes first: the row is locked while its ticks are
 * turned into runs, and each tick is a request key. Returns how many runs were started.
 */
export async function tick(db: Db, kinds: Kinds, log: Log, now = new Date()): Promise<number> {
  return await db.transaction(async (tx) => {
    const due = await tx
      .select()
      .from(schedules)
      .where(and(isNull(schedules.deletedAt), lte(schedules.nextRunAt, now)))
      .orderBy(schedules.nextRunAt)
      .limit(20)
      .for('update', { skipLocked: true })
    let started = 0
    for (const schedule of due) {
      for (const time of dueTicks(schedule, now)) {
        try {
          const runId = await runTick(tx, kinds, schedule, time)
          if (runId !== null) started += 1
        } catch (error) {
          log.warn('a schedule could not start its run', { schedule: schedule.name, error: faultMessage(error) })
        }
      }
      const [next] = nextTimes(schedule.definition.cron, schedule.definition.timezone, now, 1)
      await tx
        .update(schedules)
        .set({ nextRunAt: next ?? null })
        .where(eq(schedules.id, schedule.id))
    }
    return started
  })
}

/** The ticks that count, by the misfire policy. */
function dueTicks({ definition, nextRunAt }: ScheduleRow, now: Date): Date[] {
  const from = nextRunAt!
  const missed = missedTimes(definition.cron, definition.timezone, from, now, MAX_CATCH_UP)
  const ticks = missed.some((time) => time.getTime() === from.getTime()) ? missed : [from, ...missed]
  switch (definition.misfire) {
    case 'all':
      return ticks.slice(0, MAX_CATCH_UP)
    case 'once':
      return ticks.slice(-1)
    case 'skip':
      return ticks.filter((time) => now.getTime() - time.getTime() < GRACE_MS).slice(-1)
  }
}

async function runTick(tx: Db, kinds: Kinds, schedule: ScheduleRow, time: Date): Promise<string | null> {
  if (schedule.definition.overlap === 'skip') {
    const [open] = await tx
      .select({ id: runs.id })
      .from(runs)
      .where(and(eq(runs.scheduleId, schedule.id), inArray(runs.status, [...OPEN_STATUSES])))
      .limit(1)
    if (open) return null
  }
  return await tx.transaction((inner) =>
    startScheduled(inner, kinds, schedule, `schedule:${schedule.id}:${time.toISOString()}`),
  )
}

/** A run of the schedule's prompt on behalf of its owner; `requestKey` makes a repeat return the same run. */
export async function startScheduled(
  tx: Db,
  kinds: Kinds,
  schedule: ScheduleRow,
  requestKey: string | undefined,
): Promise<string> {
  const actor = await ownerOf(tx, schedule)
  const { agent, prompt } = schedule.definition
  const runId = await startRun(tx, kinds, actor, {
    agent,
    prompt,
    files: [],
    mode: 'queue',
    scheduleId: schedule.id,
    ...(requestKey === undefined ? {} : { requestKey }),
  })
  await tx.update(schedules).set({ lastRunId: runId }).where(eq(schedules.id, schedule.id))
  return runId
}

async function ownerOf(db: Db, schedule: ScheduleRow): Promise<Actor> {
  const [owner] = await db.select().from(users).where(eq(users.id, schedule.ownerId))
  return {
    userId: owner!.id,
    name: owner!.name,
    admin: owner!.admin,
    teams: [],
    surface: 'schedule',
    onBehalfOf: owner!.id,
  }
}

export function toSchedule(row: ScheduleRow, owner: string): Schedule {
  const { cron, timezone, enabled } = row.definition
  // The row of a schedule has all columns that the three nouns share.
  return {
    ...toDeclared(row as Row<ScheduleDefinition>),
    ...row.definition,
    owner,
    next_runs: enabled ? nextTimes(cron, timezone, new Date(), 5).map((time) => time.toISOString()) : [],
    last_run_id: row.lastRunId,
  }
}
