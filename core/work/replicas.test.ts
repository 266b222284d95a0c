import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestCore, type TestCore } from '../../test/core.ts'
import { needsPostgres, postgresServerUrl, type TestDatabase, testPostgres } from '../../test/postgres.ts'
import { scriptedWorld } from '../../test/scripted-runtime.ts'
import type { RunEvent } from '../shapes.ts'

describe.skipIf(postgresServerUrl === null)(`two replicas on one Postgres (${needsPostgres})`, () => {
  let database: TestDatabase
  let one: TestCore
  let other: TestCore
  const world = scriptedWorld()

  beforeAll(async () => {
    database = (await testPostgres())!
    // Both start on an empty database at once: migrations and built-in runtimes are made once.
    ;[one, other] = await Promise.all([
      openTestCore({ databaseUrl: database.url, world, worker: false }),
      openTestCore({ databaseUrl: database.url, world, worker: false, agent: false }),
    ])
    await Promise.all([one.core.startWorker(), other.core.startWorker()])
  })
  afterAll(async () => {
    await Promise.all([one?.close(), other?.close()])
    await database?.drop()
  })

  test('share the work: each run is done once, by one of them', async () => {
    const hubs = [one, other]
    const started = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        hubs[i % 2]!.core.runs.start(one.admin, { agent: 'echo', prompt: `say:${i} sleep:20` }),
      ),
    )
    const done = await Promise.all(
      started.map(({ id }, i) => hubs[(i + 1) % 2]!.core.runs.wait(one.admin, id, { seconds: 40 })),
    )
    expect(done.map(({ status }) => status)).toEqual(started.map(() => 'succeeded'))
    expect(done.map(({ output }) => output)).toEqual(started.map((_, i) => String(i)))
    for (const { id } of started) expect(world.starts.filter((run) => run === id)).toHaveLength(1)
  })

  test('the same request at both is one run', async () => {
    const starts = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? one : other).core.runs.start(
          one.admin,
          { agent: 'echo', prompt: 'say:once' },
          { requestKey: 'both:1' },
        ),
      ),
    )
    expect(new Set(starts.map(({ id }) => id)).size).toBe(1)
  })

  test('never exceed the concurrency of an agent together', async () => {
    await one.core.agents.create(one.admin, { name: 'narrow', runtime: 'scripted', limits: { concurrency: 3 } })
    const before = world.peak('narrow')
    expect(before).toBe(0)
    const started = await Promise.all(
      Array.from({ length: 24 }, (_, i) =>
        (i % 2 ? one : other).core.runs.start(one.admin, { agent: 'narrow', prompt: 'sleep:30' }),
      ),
    )
    await Promise.all(started.map(({ id }) => one.core.runs.wait(one.admin, id, { seconds: 40 })))
    expect(world.peak('narrow')).toBeLessThanOrEqual(3)
    expect(world.peak('narrow')).toBeGreaterThan(1)
  })

  test('show each other’s runs live, and stop them', async () => {
    const runs = await Promise.all(
      Array.from({ length: 6 }, () =>
        one.core.runs.start(one.admin, { agent: 'echo', prompt: 'say:alpha sleep:30 say:beta last' }),
      ),
    )
    await Promise.all(
      runs.map(async ({ id }) => {
        const [here, there] = await Promise.all(
          [one, other].map(async (hub, at) => {
            const seen: RunEvent[] = []
            for await (const batch of hub.core.runs.watch(one.admin, id)) {
              seen.push(...batch)
              const beta = seen.some(({ delta }) => String(delta).includes('beta'))
              if (beta && at === 1) await other.core.runs.stop(one.admin, id)
            }
            return seen
          }),
        )
        expect(here).toEqual(there)
        expect(here!.map(({ seq }) => seq)).toEqual(here!.map((_, index) => index + 1))
        expect((await one.core.runs.get(one.admin, id)).status).toBe('cancelled')
      }),
    )
  })

  test('take a decision made at either', async () => {
    const started = await Promise.all(
      Array.from({ length: 4 }, () =>
        one.core.runs.start(one.admin, { agent: 'echo', prompt: 'permit:bash say:after' }),
      ),
    )
    for (const { id } of started) {
      const waiting = await other.core.runs.wait(one.admin, id, { seconds: 40 })
      expect(waiting.status).toBe('awaiting_input')
      await other.core.approvals.decide(one.admin, waiting.pending[0]!.id, { option_id: 'once' })
      expect(await one.core.runs.wait(one.admin, id, { seconds: 40 })).toMatchObject({
        status: 'succeeded',
        output: 'after',
      })
    }
  })

  test('refuse a revoked token at once, wherever it was revoked', async () => {
    const { id, token } = await one.core.tokens.create(one.admin, { name: 'short' })
    expect(await other.core.authenticate(token, 'rest')).toMatchObject({ name: 'admin' })
    await one.core.tokens.revoke(one.admin, id)
    await expect(other.core.authenticate(token, 'rest')).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('run a schedule that is due once', async () => {
    const made = await one.core.schedules.create(one.admin, {
      name: 'each-second',
      agent: 'echo',
      cron: '* * * * * *',
      timezone: 'UTC',
      prompt: 'say:tick',
      overlap: 'queue',
    })
    await expect
      .poll(async () => (await one.core.schedules.get(one.admin, made.id)).last_run_id, { timeout: 10_000 })
      .not.toBeNull()
    await one.core.schedules.update(one.admin, made.id, { enabled: false })
    const ticks = (await one.core.runs.list(one.admin, { limit: 200 })).data.filter(
      ({ prompt }) => prompt === 'say:tick',
    )
    const seconds = new Set(ticks.map(({ created_at }) => created_at.slice(0, 19)))
    expect(ticks.length).toBeGreaterThan(0)
    expect(ticks.length).toBeLessThanOrEqual(seconds.size + 1)
  })

  test('take a message that interrupts a run which ends at that very moment', async () => {
    const first = await one.core.runs.start(one.admin, { agent: 'echo', prompt: 'say:alpha last' })
    await one.core.runs.wait(one.admin, first.id, { seconds: 20, from: first })
    const sql = postgres(database.url, { max: 1 })
    const asked = await sql.begin(async (tx) => {
      await tx`update runs set status = 'succeeded', fence = fence + 1, finished_at = now() where id = ${first.id}`
      const sent = other.core.sessions.send(one.admin, first.session_id, { prompt: 'say:instead', mode: 'interrupt' })
      // It waits for the row that is held here.
      await expect
        .poll(() => tx`select 1 from pg_locks where not granted and transactionid = pg_current_xact_id()::xid`, {
          timeout: 10_000,
        })
        .not.toHaveLength(0)
      return { sent }
    })
    const next = await asked.sent
    expect(await one.core.runs.wait(one.admin, next.id, { seconds: 20 })).toMatchObject({ output: 'instead' })
    await sql.end()
  })

  test('take the same configuration at the same time', async () => {
    const yaml = 'agents:\n  twice:\n    runtime: scripted\nlimits:\n  concurrency: 100\n'
    const applied = await Promise.all([one, other, one, other].map(({ core }) => core.config.apply(one.admin, yaml)))
    expect(applied.filter(({ pending }) => pending)).toHaveLength(1)
  })
})
