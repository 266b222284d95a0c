import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { EventPage, Page, Run } from '../../core/index.ts'
import { openRest, type TestRest } from '../../test/rest.ts'

let rest: TestRest
beforeAll(async () => {
  rest = await openRest()
  await rest.call('POST', '/agents', { body: { name: 'paged', runtime: 'scripted' } })
})
afterAll(async () => {
  await rest.close()
})

const start = async (prompt: string, more: Record<string, unknown> = {}) =>
  (await rest.call<Run>('POST', '/runs', { body: { agent: 'echo', prompt, ...more } })).body

describe('POST /runs', () => {
  test('answers at once, or when the run is over, or when it waits', async () => {
    expect(['queued', 'running']).toContain((await start('last')).status)
    expect(await start('say:hi', { wait_seconds: 20 })).toMatchObject({
      status: 'succeeded',
      output: 'hi',
      error: null,
    })
    const waiting = await start('permit:bash', { wait_seconds: 20 })
    expect(waiting.status).toBe('awaiting_input')
    expect(waiting.pending).toHaveLength(1)
  })

  test('tells how a run failed, with a hint', async () => {
    const { status, error } = await start('fail:out_of_paper', { wait_seconds: 20 })
    expect(status).toBe('failed')
    expect(error).toMatchObject({ code: 'runtime_failed', message: expect.stringContaining('out of paper') })
    expect(error!.hint).not.toBe('')
  })

  test('goes on in a session, which belongs to one agent', async () => {
    const first = await start('say:one', { wait_seconds: 20 })
    const second = await start('say:two', { session_id: first.session_id, wait_seconds: 20 })
    expect(second.session_id).toBe(first.session_id)
    const other = await rest.call('POST', '/runs', {
      body: { agent: 'paged', prompt: 'x', session_id: first.session_id },
    })
    expect(other.body).toMatchObject({ error: { code: 'session_agent_mismatch' } })
  })
})

describe('the same Idempotency-Key', () => {
  const send = (key: string, prompt: string) =>
    rest.call<Run>('POST', '/runs', { body: { agent: 'echo', prompt }, headers: { 'idempotency-key': key } })

  test('is one run, and says so', async () => {
    const first = await send('one', 'say:once')
    // Another millisecond, so that the first run is older than the request that repeats it.
    await vi.waitFor(async () =>
      expect((await send('one', 'say:once')).headers.get('idempotent-replayed')).toBe('true'),
    )
    const again = await send('one', 'say:once')
    expect(again.status).toBe(201)
    expect(again.body.id).toBe(first.body.id)
    expect(first.headers.get('idempotent-replayed')).toBeNull()
  })

  test('twenty times at once is one run', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => send('many', 'say:many')))
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 201))
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1)
    await rest.call('GET', `/runs/${answers[0]!.body.id}?wait_seconds=20`)
    expect(rest.world.starts.filter((id) => id === answers[0]!.body.id)).toHaveLength(1)
  })

  test('with another body is refused', async () => {
    await send('two', 'say:this')
    expect((await send('two', 'say:that')).body).toMatchObject({ error: { code: 'idempotency_conflict' } })
  })

  test('counts for the person, whichever of their tokens they use', async () => {
    const { token } = (await rest.call<{ token: string }>('POST', '/tokens', { body: { name: 'mine' } })).body
    const first = await send('three', 'say:mine')
    const again = await rest.call<Run>('POST', '/runs', {
      body: { agent: 'echo', prompt: 'say:mine' },
      headers: { 'idempotency-key': 'three' },
      token,
    })
    expect(again.body.id).toBe(first.body.id)
  })
})

describe('GET /runs', () => {
  test('has every run once over the pages, while new ones come in', async () => {
    const made: string[] = []
    for (let i = 0; i < 7; i++) {
      made.push((await rest.call<Run>('POST', '/runs', { body: { agent: 'paged', prompt: `say:${i}` } })).body.id)
    }
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const { body } = await rest.call<Page<Run>>('GET', `/runs?agent=paged&limit=3${query}`)
      seen.push(...body.data.map(({ id }) => id))
      cursor = body.next_cursor
      await rest.call('POST', '/runs', { body: { agent: 'paged', prompt: 'say:meanwhile' } })
    } while (cursor !== null)
    expect(seen).toEqual([...made].reverse())
  })

  test('filters by status, session and time', async () => {
    const run = await start('fail:for_the_list', { wait_seconds: 20 })
    const ids = async (query: string) =>
      (await rest.call<Page<Run>>('GET', `/runs?${query}`)).body.data.map(({ id }) => id)
    expect(await ids('status=failed')).toContain(run.id)
    expect(await ids('status=succeeded')).not.toContain(run.id)
    expect(await ids(`session_id=${run.session_id}`)).toEqual([run.id])
    expect(await ids(`since=${encodeURIComponent(run.created_at)}`)).toContain(run.id)
    expect(await ids('since=2099-01-01T00:00:00%2B02:00')).toEqual([])
  })
})

describe('GET /runs/{id}/events', () => {
  test('reads the whole log in pages, with no gap and no repeat', async () => {
    const run = await start(`say:${'word_'.repeat(30)} tool:bash say:end`, { wait_seconds: 20 })
    const seqs: number[] = []
    let page: EventPage = { events: [], next_after: 0, done: false }
    while (!page.done) {
      page = (await rest.call<EventPage>('GET', `/runs/${run.id}/events?limit=4&after=${page.next_after}`)).body
      seqs.push(...page.events.map(({ seq }) => seq))
    }
    expect(seqs).toEqual(Array.from({ length: run.last_seq }, (_, index) => index + 1))
  })

  test('keeps to the types that were asked for', async () => {
    const run = await start('tool:bash say:x', { wait_seconds: 20 })
    const { body } = await rest.call<EventPage>('GET', `/runs/${run.id}/events?types=TOOL_CALL_START,RUN_FINISHED`)
    expect(body.events.map(({ type }) => type)).toEqual(['TOOL_CALL_START', 'RUN_FINISHED'])
  })

  test('ends also when the types that were asked for do not end the log', async () => {
    const run = await start('tool:bash say:x', { wait_seconds: 20 })
    const read = async (query: string) =>
      (await rest.call<EventPage>('GET', `/runs/${run.id}/events?types=TOOL_CALL_START&${query}`)).body
    const [started] = (await read('')).events
    expect(await read('')).toEqual({ events: [started], next_after: run.last_seq, done: true })
    expect(await read('limit=1')).toEqual({ events: [started], next_after: started!.seq, done: false })
    expect(await read(`after=${started!.seq}&wait_seconds=20`)).toMatchObject({ events: [], done: true })
  })

  test('has an end, however high a seq is asked for', async () => {
    const run = await start('say:x', { wait_seconds: 20 })
    const { status, body } = await rest.call<EventPage>('GET', `/runs/${run.id}/events?after=99999999999`)
    expect([status, body]).toEqual([200, { events: [], next_after: 99_999_999_999, done: true }])
  })

  test('holds an empty page back until something happens', async () => {
    const run = await start('permit:bash', { wait_seconds: 20 })
    const held = rest.call<EventPage>('GET', `/runs/${run.id}/events?after=${run.last_seq}&wait_seconds=20`)
    await rest.call('POST', `/approvals/${run.pending[0]!.id}/decision`, { body: { option_id: 'reject' } })
    const { body } = await held
    expect(body.events[0]!.seq).toBe(run.last_seq + 1)
  })
})

describe('POST /runs/{id}/stop', () => {
  test('stops a run once, and says when there is nothing to stop', async () => {
    const run = await start('last')
    await vi.waitFor(() => expect(rest.world.starts).toContain(run.id))
    await rest.call('POST', `/runs/${run.id}/stop`, { body: { reason: 'wrong branch' } })
    const stopped = (await rest.call<Run>('GET', `/runs/${run.id}?wait_seconds=20`)).body
    expect(stopped.status).toBe('cancelled')
    expect(rest.world.heard).toContainEqual({ runId: run.id, type: 'cancel', text: 'wrong branch' })
    expect((await rest.call('POST', `/runs/${run.id}/stop`)).status).toBe(200)
    const headers = { 'content-type': 'application/json' }
    expect((await rest.call('POST', `/runs/${run.id}/stop`, { headers })).status).toBe(200)
    expect((await rest.call('POST', `/runs/${run.id}/stop`, { body: { reson: 'x' } })).status).toBe(400)
    const done = await start('say:x', { wait_seconds: 20 })
    expect((await rest.call('POST', `/runs/${done.id}/stop`)).body).toMatchObject({ error: { code: 'run_finished' } })
  })
})
