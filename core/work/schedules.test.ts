import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestCore, quiet, type TestCore } from '../../test/core.ts'
import { type Database, openDatabase } from '../database.ts'
import { schedules } from '../schema/index.ts'
import { tick } from './schedules.ts'

let database: Database
let hub: TestCore
beforeAll(async () => {
  database = await openDatabase({})
  hub = await openTestCore({ database, worker: false })
})
afterAll(() => hub.close())

const kinds = () => new Map([[hub.world.kind.kind, hub.world.kind]])
const minute = (text: string) => new Date(`2031-03-01T${text}:00.000Z`)

async function declare(name: string, fields: Record<string, unknown> = {}): Promise<string> {
  const made = await hub.core.schedules.create(hub.admin, {
    name,
    agent: 'echo',
    cron: '*/5 * * * *',
    timezone: 'UTC',
    prompt: `say:${name}`,
    ...fields,
  })
  await database.db
    .update(schedules)
    .set({ nextRunAt: minute('10:00') })
    .where(eq(schedules.id, made.id))
  return made.id
}
const runsOf = async (name: string) =>
  (await hub.core.runs.list(hub.admin, { limit: 200 })).data.filter(({ prompt }) => prompt === `say:${name}`)
async function at(now: Date): Promise<void> {
  await tick(database.db, kinds(), quiet, now)
}

describe('a schedule', () => {
  test('runs its prompt when it is due, once, and moves on', async () => {
    const id = await declare('on-time')
    await at(minute('09:59'))
    expect(await runsOf('on-time')).toHaveLength(0)
    await Promise.all([at(minute('10:00')), at(minute('10:00')), at(minute('10:00'))])
    const [run, ...more] = await runsOf('on-time')
    expect(more).toEqual([])
    expect(run).toMatchObject({ agent: 'echo', created_by: 'admin', status: 'queued' })
    const [row] = await database.db.select().from(schedules).where(eq(schedules.id, id))
    expect(row).toMatchObject({ nextRunAt: minute('10:05'), lastRunId: run!.id })
    await hub.core.schedules.remove(hub.admin, 'on-time')
  })

  test.each([
    ['skip', 0],
    ['once', 1],
    ['all', 4],
  ] as const)('that missed four ticks with misfire %s runs %i times', async (misfire, times) => {
    const name = `missed-${misfire}`
    await declare(name, { misfire, overlap: 'queue' })
    await at(minute('10:18'))
    expect(await runsOf(name)).toHaveLength(times)
    await hub.core.schedules.remove(hub.admin, name)
  })

  test('whose last run is still at work is skipped or queued, as it says', async () => {
    for (const [overlap, times] of [
      ['skip', 1],
      ['queue', 2],
    ] as const) {
      const name = `busy-${overlap}`
      await declare(name, { overlap })
      await at(minute('10:00'))
      await at(minute('10:05'))
      expect(await runsOf(name)).toHaveLength(times)
      await hub.core.schedules.remove(hub.admin, name)
    }
  })

  test('shows its next five times, and none while it is off', async () => {
    const made = await hub.core.schedules.create(hub.admin, {
      name: 'mornings',
      agent: 'echo',
      cron: '0 9 * * 1-5',
      timezone: 'Europe/Berlin',
      prompt: 'say:hi',
    })
    expect(made.next_runs).toHaveLength(5)
    for (const time of made.next_runs) {
      const parts = new Intl.DateTimeFormat('en-GB', {
        timeZone: 'Europe/Berlin',
        weekday: 'short',
        hour: '2-digit',
        minute: '2-digit',
      }).format(new Date(time))
      expect(parts).toMatch(/^(Mon|Tue|Wed|Thu|Fri) 09:00$/)
    }
    expect((await hub.core.schedules.update(hub.admin, 'mornings', { enabled: false })).next_runs).toEqual([])
    const run = await hub.core.schedules.runNow(hub.admin, 'mornings', { requestKey: 'test:now' })
    expect((await hub.core.schedules.runNow(hub.admin, 'mornings', { requestKey: 'test:now' })).id).toBe(run.id)
    await hub.core.schedules.remove(hub.admin, 'mornings')
  })

  test('is refused with a wrong cron line, time zone or agent', async () => {
    const good = { name: 'wrong', agent: 'echo', cron: '* * * * *', prompt: 'x' }
    await expect(hub.core.schedules.create(hub.admin, { ...good, cron: '61 * * * *' })).rejects.toMatchObject({
      code: 'invalid_request',
    })
    await expect(hub.core.schedules.create(hub.admin, { ...good, timezone: 'Mars/Olympus' })).rejects.toMatchObject({
      code: 'invalid_request',
    })
    await expect(hub.core.schedules.create(hub.admin, { ...good, agent: 'nobody' })).rejects.toMatchObject({
      code: 'agent_not_found',
    })
  })
})
