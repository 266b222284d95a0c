import { eq, sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openTestCore, type TestCore } from '../../test/core.ts'
import { needsPostgres, postgresServerUrl, testPostgres } from '../../test/postgres.ts'
import { type Database, openDatabase } from '../database.ts'
import { events, runs } from '../schema/index.ts'
import { createScrubber } from '../secrets/scrubber.ts'
import type { Kinds } from './bind.ts'
import { createFeed } from './feed.ts'
import { framing } from './framing.ts'
import { type Claimed, claim } from './lease.ts'
import { createRecorder } from './recorder.ts'
import { toTurn } from './turn.ts'

const engines = [
  { name: 'PGlite', skip: false, open: async () => ({ database: await openDatabase({}), drop: async () => {} }) },
  {
    name: `Postgres (${needsPostgres})`,
    skip: postgresServerUrl === null,
    open: async () => {
      const made = (await testPostgres())!
      return { database: await openDatabase({ url: made.url }), drop: made.drop }
    },
  },
]

describe.each(engines.filter(({ skip }) => !skip))('a run whose holder died, on $name', ({ open }) => {
  let opened: { database: Database; drop(): Promise<void> }
  let hub: TestCore
  beforeAll(async () => {
    opened = await open()
  })
  afterAll(async () => {
    await opened.database.close()
    await opened.drop()
  })
  // Each test has a hub whose worker it starts itself, on the one database.
  beforeEach(async () => {
    hub = await openTestCore({ database: { ...opened.database, close: async () => {} }, worker: false })
  })
  afterEach(() => hub.close())

  /** What a holder does until it dies: claims, and leaves the lease to run out. */
  async function claimAndDie(
    prompt: string,
    act: (claimed: Claimed, recorder: ReturnType<typeof createRecorder>) => Promise<void>,
    agent = 'echo',
  ) {
    const { db } = opened.database
    const started = await hub.core.runs.start(hub.admin, { agent, prompt })
    const kinds: Kinds = new Map([[hub.world.kind.kind, hub.world.kind]])
    const [claimed] = await claim(db, kinds, { holder: 'plc_dead:1', placement: 'plc_dead', credits: 1 })
    expect(claimed?.run.id).toBe(started.id)
    const { run } = claimed!
    const recorder = createRecorder({
      db,
      feed: createFeed(db),
      run: { id: run.id, sessionId: run.sessionId, fence: claimed!.fence, nextSeq: run.nextSeq },
      framing: framing(createScrubber(), [], 0),
      interrupts: { known: [], waiting: [], interruptedAt: null },
      inputMs: 60_000,
      deadlineAt: null,
      onLost: () => {},
    })
    await act(claimed!, recorder)
    await recorder.leave()
    await db.update(runs).set({ leaseUntil: sql`now() - interval '1 second'` }).where(eq(runs.id, run.id))
    return { id: run.id, claimed: claimed! }
  }

  const deadline = new Date(Date.now() + 60_000)
  const turnOf = (claimed: Claimed) =>
    toTurn(claimed, {
      modelEndpoint: null,
      defaultModel: null,
      publicUrl: null,
      limits: {},
      deadline,
      readFile: async () => new Uint8Array(),
    })

  test('is taken over: from the cursor, without gap or repeat, the prompt sent once', async () => {
    const { world } = hub
    const { id } = await claimAndDie('say:the_quick_brown_fox_jumps sleep:50 say:over', async (claimed, recorder) => {
      const turn = turnOf(claimed)
      const ref = world.runtime.prepare(turn)
      await recorder.begin(ref, deadline)
      const started = await world.runtime.start(ref, turn, { signal: AbortSignal.timeout(5_000), log: console })
      recorder.note({ ref: started, phase: 'started' })
      let heard = 0
      for await (const fact of world.runtime.stream(started, { signal: AbortSignal.timeout(5_000), log: console })) {
        if (fact.type === 'artifact') continue
        recorder.tell(fact)
        if (++heard === 2) break
      }
    })
    await hub.core.startWorker()
    const done = await hub.core.runs.wait(hub.admin, id, { seconds: 20 })
    expect(done).toMatchObject({ status: 'succeeded', output: 'over' })
    const { events } = await hub.core.runs.events(hub.admin, id, { limit: 1000 })
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
    const said = new Map<string, string>()
    for (const { type, messageId, delta } of events)
      if (type === 'TEXT_MESSAGE_CONTENT')
        said.set(String(messageId), (said.get(String(messageId)) ?? '') + String(delta))
    expect([...said.values()]).toEqual(['the quick brown fox jumps', 'over'])
    expect(events.filter(({ type }) => type === 'RUN_STARTED')).toHaveLength(1)
    expect(world.starts.filter((started) => started === id)).toHaveLength(1)
  })

  test('before the prompt was sent is started by the next holder, where the runtime can tell', async () => {
    const { id } = await claimAndDie('say:late', async (claimed, recorder) => {
      await recorder.begin(hub.world.runtime.prepare(turnOf(claimed)), deadline)
    })
    await hub.core.startWorker()
    expect(await hub.core.runs.wait(hub.admin, id, { seconds: 20 })).toMatchObject({
      status: 'succeeded',
      output: 'late',
    })
    expect(hub.world.starts.filter((started) => started === id)).toHaveLength(1)
  })

  test('between sending and knowing is outcome_unknown where the runtime cannot tell, and never sent again', async () => {
    delete hub.world.runtime.find
    const { id } = await claimAndDie('say:maybe', async (claimed, recorder) => {
      await recorder.begin(hub.world.runtime.prepare(turnOf(claimed)), deadline)
    })
    await hub.core.startWorker()
    expect(await hub.core.runs.wait(hub.admin, id, { seconds: 20 })).toMatchObject({
      status: 'failed',
      error: { code: 'outcome_unknown' },
    })
    expect(hub.world.starts).not.toContain(id)
  })

  test('of an agent that is safe to repeat is sent again where nobody knows', async () => {
    await hub.core.agents.create(hub.admin, { name: 'safe', runtime: 'scripted', repeat_safe: true })
    delete hub.world.runtime.find
    const { id } = await claimAndDie(
      'say:again',
      async (claimed, recorder) => {
        await recorder.begin(hub.world.runtime.prepare(turnOf(claimed)), deadline)
      },
      'safe',
    )
    await hub.core.startWorker()
    expect(await hub.core.runs.wait(hub.admin, id, { seconds: 20 })).toMatchObject({
      status: 'succeeded',
      output: 'again',
    })
  })

  test('keeps the dead holder from writing: its fence is gone', async () => {
    let late: ReturnType<typeof createRecorder> | null = null
    const { id } = await claimAndDie('say:fenced', async (claimed, recorder) => {
      await recorder.begin(hub.world.runtime.prepare(turnOf(claimed)), deadline)
      late = createRecorder({
        db: opened.database.db,
        feed: createFeed(opened.database.db),
        run: { id: claimed.run.id, sessionId: claimed.run.sessionId, fence: claimed.fence, nextSeq: 2 },
        framing: framing(createScrubber(), [], 0),
        interrupts: { known: [], waiting: [], interruptedAt: null },
        inputMs: 60_000,
        deadlineAt: null,
        onLost: () => {},
      })
    })
    await hub.core.startWorker()
    await hub.core.runs.wait(hub.admin, id, { seconds: 20 })
    late!.tell({ type: 'text', messageId: 'ghost', delta: 'boo' })
    await expect(late!.flush()).rejects.toMatchObject({ code: 'lease_lost' })
    const { events } = await hub.core.runs.events(hub.admin, id, { limit: 1000 })
    expect(JSON.stringify(events)).not.toContain('boo')
  })

  test('while it waits for a person keeps waiting, and takes the answer once', async () => {
    const { world } = hub
    const { id } = await claimAndDie('permit:bash say:done', async (claimed, recorder) => {
      const turn = turnOf(claimed)
      const ref = world.runtime.prepare(turn)
      await recorder.begin(ref, deadline)
      const io = { signal: AbortSignal.timeout(5_000), log: console }
      recorder.note({ ref: await world.runtime.start(ref, turn, io), phase: 'started' })
      for await (const fact of world.runtime.stream(ref, io)) {
        if (fact.type !== 'artifact') recorder.tell(fact)
        break
      }
    })
    const waiting = await hub.core.runs.get(hub.admin, id)
    expect(waiting).toMatchObject({ status: 'awaiting_input', pending: [{ tool: 'bash' }] })
    await hub.core.startWorker()
    await hub.core.approvals.decide(hub.admin, waiting.pending[0]!.id, { option_id: 'once' })
    const done = await hub.core.runs.wait(hub.admin, id, { seconds: 20 })
    expect(done.status).toBe('succeeded')
    const { events } = await hub.core.runs.events(hub.admin, id, { limit: 1000 })
    expect(
      events.filter(({ outcome }) => (outcome as { type?: string } | undefined)?.type === 'interrupt'),
    ).toHaveLength(1)
    expect(world.heard.filter(({ runId, type }) => runId === id && type === 'answer')).toHaveLength(1)
  })

  test('while it waited for a person has the time left that it had when it asked', async () => {
    const { world } = hub
    const { id } = await claimAndDie('permit:bash sleep:1500 say:done', async (claimed, recorder) => {
      const turn = turnOf(claimed)
      const ref = world.runtime.prepare(turn)
      await recorder.begin(ref, deadline)
      const io = { signal: AbortSignal.timeout(5_000), log: console }
      recorder.note({ ref: await world.runtime.start(ref, turn, io), phase: 'started' })
      for await (const fact of world.runtime.stream(ref, io)) {
        if (fact.type !== 'artifact') recorder.tell(fact)
        break
      }
    })
    // It asked an hour ago, a minute before its deadline, and the hub was away since.
    const { db } = opened.database
    await db
      .update(events)
      .set({ at: sql`${events.at} - interval '1 hour'` })
      .where(eq(events.runId, id))
    await db.update(runs).set({ deadlineAt: sql`now() - interval '59 minutes'` }).where(eq(runs.id, id))
    await hub.core.startWorker()
    const waiting = await hub.core.runs.get(hub.admin, id)
    await hub.core.approvals.decide(hub.admin, waiting.pending[0]!.id, { option_id: 'once' })
    await expect.poll(async () => (await hub.core.runs.get(hub.admin, id)).status).not.toBe('awaiting_input')
    expect(await hub.core.runs.wait(hub.admin, id, { seconds: 20 })).toMatchObject({ status: 'succeeded' })
  })
})
