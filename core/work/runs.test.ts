import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestCore, type TestCore } from '../../test/core.ts'
import type { Run, RunEvent } from '../shapes.ts'

let hub: TestCore
beforeAll(async () => {
  hub = await openTestCore()
})
afterAll(() => hub.close())

const run = async (prompt: string, options: { session_id?: string } = {}): Promise<Run> => {
  const started = await hub.core.runs.start(hub.admin, { agent: 'echo', prompt, ...options })
  return await hub.core.runs.wait(hub.admin, started.id, { seconds: 20 })
}
const log = async (id: string): Promise<RunEvent[]> =>
  (await hub.core.runs.events(hub.admin, id, { limit: 1000 })).events
const watchAll = async (id: string, after = 0): Promise<RunEvent[]> => {
  const seen: RunEvent[] = []
  for await (const batch of hub.core.runs.watch(hub.admin, id, { after })) seen.push(...batch)
  return seen
}

describe('a run', () => {
  test('goes from prompt to outcome with a well-formed log', async () => {
    const done = await run('say:hello_there tool:grep usage:10,20 say:bye')
    expect(done).toMatchObject({
      status: 'succeeded',
      output: 'bye',
      agent: 'echo',
      agent_version: 1,
      usage: { input_tokens: 10, output_tokens: 20 },
    })
    const events = await log(done.id)
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
    expect(events[0]).toMatchObject({ type: 'RUN_STARTED', runId: done.id, threadId: done.session_id })
    expect(events.at(-1)).toMatchObject({ type: 'RUN_FINISHED', outcome: { type: 'success' }, result: 'bye' })
    expect(events.filter(({ type }) => type === 'TOOL_CALL_RESULT')).toHaveLength(1)
    expect(events.filter(({ type }) => type === 'TEXT_MESSAGE_START')).toHaveLength(2)
    expect(events.filter(({ type }) => type === 'TEXT_MESSAGE_END')).toHaveLength(2)
  })

  test('that fails ends in RUN_ERROR with the reason', async () => {
    const done = await run('say:trying fail:no_disk')
    expect(done).toMatchObject({ status: 'failed', error: { code: 'runtime_failed', message: 'no disk' } })
    expect((await log(done.id)).at(-1)).toMatchObject({ type: 'RUN_ERROR', code: 'runtime_failed' })
  })

  test('that the runtime refuses fails with its words', async () => {
    expect(await run('reject:quota')).toMatchObject({
      status: 'failed',
      error: { code: 'runtime_rejected', message: 'quota' },
    })
  })

  test('is stopped at work', async () => {
    const started = await hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'say:begin last' })
    for await (const batch of hub.core.runs.watch(hub.admin, started.id))
      if (batch.some(({ type }) => type === 'TEXT_MESSAGE_CONTENT')) break
    await hub.core.runs.stop(hub.admin, started.id)
    const done = await hub.core.runs.wait(hub.admin, started.id, { seconds: 20 })
    expect(done.status).toBe('cancelled')
    expect(hub.world.heard).toContainEqual(expect.objectContaining({ runId: started.id, type: 'cancel' }))
    expect((await log(started.id)).at(-1)).toMatchObject({ type: 'RUN_FINISHED', outcome: { type: 'cancelled' } })
    expect((await hub.core.runs.stop(hub.admin, started.id)).status).toBe('cancelled')
  })

  test('is refused when its prompt is blank, and nothing is made', async () => {
    const before = (await hub.core.sessions.list(hub.admin, { limit: 200 })).data.length
    for (const prompt of ['', '  \n', '\u0000\u0000']) {
      await expect(hub.core.runs.start(hub.admin, { agent: 'echo', prompt })).rejects.toMatchObject({
        code: 'invalid_request',
      })
    }
    expect((await hub.core.sessions.list(hub.admin, { limit: 200 })).data).toHaveLength(before)
  })

  test('that is over refuses to be stopped', async () => {
    const done = await run('say:hi')
    await expect(hub.core.runs.stop(hub.admin, done.id)).rejects.toMatchObject({ code: 'run_finished' })
  })

  test('is watched from any point without gap or repeat, while it writes and after', async () => {
    const started = await hub.core.runs.start(hub.admin, {
      agent: 'echo',
      prompt: 'say:one sleep:60 say:two sleep:60 tool:x say:three',
    })
    const [first, second] = await Promise.all([watchAll(started.id), watchAll(started.id)])
    expect(first).toEqual(second)
    expect(first.map(({ seq }) => seq)).toEqual(first.map((_, index) => index + 1))
    for (const after of [1, 3, first.length - 1]) expect(await watchAll(started.id, after)).toEqual(first.slice(after))
    expect(await watchAll(started.id, first.length)).toEqual([])
    expect(await log(started.id)).toEqual(first)
  })
})

describe('once', () => {
  test('the same request at the same time twenty times is one run', async () => {
    const starts = await Promise.all(
      Array.from({ length: 20 }, () =>
        hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'say:once' }, { requestKey: 'test:k1' }),
      ),
    )
    expect(new Set(starts.map(({ id }) => id)).size).toBe(1)
    const id = starts[0]!.id
    await hub.core.runs.wait(hub.admin, id, { seconds: 20 })
    expect(hub.world.starts.filter((started) => started === id)).toHaveLength(1)
    await expect(
      hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'say:other' }, { requestKey: 'test:k1' }),
    ).rejects.toMatchObject({ code: 'idempotency_conflict' })
  })
})

describe('a session', () => {
  test('does its runs one after the other, in order', async () => {
    const first = await hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'sleep:80 say:first' })
    const rest = []
    for (const word of ['second', 'third', 'fourth'])
      rest.push(await hub.core.sessions.send(hub.admin, first.session_id, { prompt: `say:${word}` }))
    const done = await Promise.all([first, ...rest].map(({ id }) => hub.core.runs.wait(hub.admin, id, { seconds: 20 })))
    expect(done.map(({ output }) => output)).toEqual(['first', 'second', 'third', 'fourth'])
    const order = hub.world.starts.filter((id) => done.some((one) => one.id === id))
    expect(order).toEqual(done.map(({ id }) => id))
    for (const [index, one] of done.slice(1).entries()) expect(one.started_at! >= done[index]!.finished_at!).toBe(true)
  })

  test('is steered while it works, and interrupted', async () => {
    const first = await hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'say:working last' })
    for await (const batch of hub.core.runs.watch(hub.admin, first.id))
      if (batch.some(({ type }) => type === 'TEXT_MESSAGE_CONTENT')) break
    const steered = await hub.core.sessions.send(hub.admin, first.session_id, { prompt: 'look left', mode: 'steer' })
    expect(steered.id).toBe(first.id)
    for await (const batch of hub.core.runs.watch(hub.admin, first.id))
      if (batch.some(({ delta }) => String(delta).includes('steered: look left'))) break
    const next = await hub.core.sessions.send(hub.admin, first.session_id, { prompt: 'say:instead', mode: 'interrupt' })
    expect(next.id).not.toBe(first.id)
    expect(await hub.core.runs.wait(hub.admin, next.id, { seconds: 20 })).toMatchObject({
      status: 'succeeded',
      output: 'instead',
    })
    expect((await hub.core.runs.get(hub.admin, first.id)).status).toBe('cancelled')
  })
})

describe('an approval', () => {
  test('is waited for, decided once, and taken to the runtime', async () => {
    const waiting = await run('say:before permit:bash say:after')
    expect(waiting).toMatchObject({
      status: 'awaiting_input',
      pending: [{ kind: 'permission', tool: 'bash', status: 'pending' }],
    })
    const approval = waiting.pending[0]!
    expect((await log(waiting.id)).at(-1)).toMatchObject({
      type: 'RUN_FINISHED',
      outcome: { type: 'interrupt', interrupts: [{ id: approval.id, reason: 'permission' }] },
    })
    await expect(hub.core.approvals.decide(hub.admin, approval.id, { option_id: 'nonsense' })).rejects.toMatchObject({
      code: 'invalid_request',
    })
    const decided = await Promise.allSettled([
      hub.core.approvals.decide(hub.admin, approval.id, { option_id: 'once' }),
      hub.core.approvals.decide(hub.admin, approval.id, { option_id: 'reject' }),
    ])
    expect(decided.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const done = await hub.core.runs.wait(hub.admin, waiting.id, {
      seconds: 20,
      from: { ...waiting, status: 'running' },
    })
    expect((await hub.core.runs.wait(hub.admin, done.id, { seconds: 20 })).status).toBe('succeeded')
    const events = await log(waiting.id)
    expect(events.filter(({ type }) => type === 'RUN_STARTED')).toHaveLength(2)
    expect(hub.world.heard.filter(({ runId, type }) => runId === waiting.id && type === 'answer')).toHaveLength(1)
  })

  test('a question is answered by a message to the session', async () => {
    const waiting = await run('ask:which_colour')
    expect(waiting.pending[0]).toMatchObject({ kind: 'question', message: 'which colour' })
    const answered = await hub.core.sessions.send(
      hub.admin,
      waiting.session_id,
      { prompt: 'blue' },
      { requestKey: 'test:blue' },
    )
    expect(answered.id).toBe(waiting.id)
    const again = { requestKey: 'test:blue' }
    expect((await hub.core.sessions.send(hub.admin, waiting.session_id, { prompt: 'blue' }, again)).id).toBe(waiting.id)
    await expect(hub.core.sessions.send(hub.admin, waiting.session_id, { prompt: 'red' }, again)).rejects.toMatchObject(
      {
        code: 'idempotency_conflict',
      },
    )
    const over = await hub.core.runs.wait(hub.admin, waiting.id, { seconds: 20 })
    expect(over).toMatchObject({ status: 'succeeded', output: 'answer blue' })
  })
})

describe('limits', () => {
  test('an agent with concurrency 2 never works on three runs at once', async () => {
    await hub.core.agents.create(hub.admin, { name: 'narrow', runtime: 'scripted', limits: { concurrency: 2 } })
    const started = await Promise.all(
      Array.from({ length: 8 }, () => hub.core.runs.start(hub.admin, { agent: 'narrow', prompt: 'sleep:40 say:x' })),
    )
    const done = await Promise.all(started.map(({ id }) => hub.core.runs.wait(hub.admin, id, { seconds: 20 })))
    for (const one of done) {
      const together = done.filter(
        (other) => other.started_at! < one.finished_at! && other.finished_at! > one.started_at!,
      )
      const peak = together.filter(
        (other) => other.started_at! <= one.started_at! && other.finished_at! > one.started_at!,
      )
      expect(peak.length).toBeLessThanOrEqual(2)
    }
    expect(done.every(({ status }) => status === 'succeeded')).toBe(true)
  })

  test('a run past its deadline is told to stop and fails with the reason', async () => {
    await hub.core.agents.create(hub.admin, { name: 'brief', runtime: 'scripted', limits: { seconds: 1 } })
    const started = await hub.core.runs.start(hub.admin, { agent: 'brief', prompt: 'say:start last' })
    expect(await hub.core.runs.wait(hub.admin, started.id, { seconds: 20 })).toMatchObject({
      status: 'failed',
      error: { code: 'deadline_exceeded' },
    })
  })
})

describe('a runtime that misbehaves', () => {
  test('and ignores a stop does not keep the run: it is cancelled after the grace time', async () => {
    const started = await hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'say:hm deaf' })
    await hub.core.runs.stop(hub.admin, started.id)
    expect(await hub.core.runs.wait(hub.admin, started.id, { seconds: 40 })).toMatchObject({ status: 'cancelled' })
  }, 60_000)

  test('and says nothing is asked, then the run fails with the reason', async () => {
    await hub.core.agents.create(hub.admin, { name: 'mute', runtime: 'scripted', limits: { silence_seconds: 1 } })
    const started = await hub.core.runs.start(hub.admin, { agent: 'mute', prompt: 'say:hm last' })
    expect(await hub.core.runs.wait(hub.admin, started.id, { seconds: 40 })).toMatchObject({
      status: 'failed',
      error: { code: 'runtime_silent' },
    })
  }, 60_000)

  test('and spends more than the agent may is stopped', async () => {
    await hub.core.agents.create(hub.admin, { name: 'thrifty', runtime: 'scripted', limits: { tokens: 100 } })
    const started = await hub.core.runs.start(hub.admin, { agent: 'thrifty', prompt: 'usage:90,20 last' })
    expect(await hub.core.runs.wait(hub.admin, started.id, { seconds: 40 })).toMatchObject({
      status: 'failed',
      error: { code: 'limit_tokens' },
      usage: { input_tokens: 90 },
    })
  })
})
