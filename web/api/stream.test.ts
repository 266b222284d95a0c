import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { type BaseEvent, HttpAgent } from '@ag-ui/client'
import { EventSchemas } from '@ag-ui/core/schemas'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Core, Run, RunEvent } from '../../core/index.ts'
import { openRest, type TestRest } from '../../test/rest.ts'
import { serveApp } from '../../test/serve.ts'
import { webApp } from '../app.ts'

let rest: TestRest
let server: Awaited<ReturnType<typeof serveApp>>
let url: string
/** Watches of core that are open now. */
let watching = 0

beforeAll(async () => {
  rest = await openRest()
  const { core } = rest
  async function* counted(...args: Parameters<Core['runs']['watch']>): AsyncGenerator<RunEvent[]> {
    watching += 1
    try {
      yield* core.runs.watch(...args)
    } finally {
      watching -= 1
    }
  }
  const app = webApp(
    { ...core, runs: { ...core.runs, watch: counted } },
    { log: { info() {}, warn() {}, error() {} }, heartbeatMs: 50 },
  )
  server = await serveApp(app.fetch)
  url = server.url
})
afterAll(async () => {
  await server.close()
  await rest.close()
})

const start = async (prompt: string, wait_seconds = 0): Promise<Run> =>
  (await rest.call<Run>('POST', '/runs', { body: { agent: 'echo', prompt, wait_seconds } })).body

const open = (run: Run, headers: Record<string, string> = {}, signal?: AbortSignal) =>
  fetch(`${url}/api/v1/runs/${run.id}/events/stream`, {
    headers: { authorization: `Bearer ${rest.token}`, ...headers },
    ...(signal ? { signal } : {}),
  })

/** The events of an answer, each with its id checked against its seq. */
async function* read(response: Response): AsyncGenerator<RunEvent> {
  const messages = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())
  for await (const { id, data } of messages) {
    const event = JSON.parse(data) as RunEvent
    expect(id).toBe(String(event.seq))
    yield event
  }
}

async function collect(events: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const all: RunEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

const seqs = (events: RunEvent[]) => events.map(({ seq }) => seq)
const upTo = (last: number, after = 0) => Array.from({ length: last - after }, (_, index) => after + index + 1)

describe('the event stream of a run', () => {
  test('replays what is stored, goes on live, and ends after the final event', async () => {
    const run = await start('say:before permit:bash say:after', 20)
    expect(run.status).toBe('awaiting_input')
    const response = await open(run)
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    const live = collect(read(response))
    await rest.call('POST', `/approvals/${run.pending[0]!.id}/decision`, { body: { option_id: 'once' } })
    const events = await live
    expect(seqs(events)).toEqual(upTo(events.length))
    expect(events.at(-1)).toMatchObject({ type: 'RUN_FINISHED', outcome: { type: 'success' } })
    expect(events.filter(({ type }) => type === 'RUN_STARTED')).toHaveLength(2)
  })

  test('goes on from any seq, without gap or repeat', async () => {
    const run = await start(`say:${'many_words_'.repeat(8)} tool:bash say:end`, 20)
    expect(run.last_seq).toBeGreaterThan(8)
    for (let after = 0; after < run.last_seq; after++) {
      const byHeader = await collect(read(await open(run, { 'last-event-id': String(after) })))
      expect(seqs(byHeader)).toEqual(upTo(run.last_seq, after))
    }
    const byQuery = await rest.call<string>('GET', `/runs/${run.id}/events/stream?after=${run.last_seq - 1}`)
    expect(byQuery.body).toContain(`id: ${run.last_seq}\n`)
    const over = await open(run, { 'last-event-id': String(run.last_seq) })
    expect(over.status).toBe(204)
  })

  test('refuses what is not there before it begins to stream', async () => {
    const response = await open({ ...(await start('say:x')), id: 'run_none' })
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toContain('application/json')
  })

  test('carries comments while the run is quiet, and is left when the watcher goes', async () => {
    const run = await start('permit:bash', 20)
    const gone = new AbortController()
    const response = await open(run, {}, gone.signal)
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    while (!text.includes(': still here')) text += (await reader.read()).value
    expect(watching).toBe(1)
    gone.abort()
    await vi.waitFor(() => expect(watching).toBe(0))
    await rest.call('POST', `/runs/${run.id}/stop`)
  })

  test('is not opened by HEAD', async () => {
    const run = await start('permit:bash', 20)
    const response = await fetch(`${url}/api/v1/runs/${run.id}/events/stream`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${rest.token}` },
    })
    expect(response.status).toBe(200)
    expect(watching).toBe(0)
    await rest.call('POST', `/runs/${run.id}/stop`)
  })

  test('reaches a hundred watchers whole, and a slow one holds up nobody', async () => {
    const words = Array.from({ length: 40 }, (_, index) => `say:${`step_${index}_`.repeat(20)}`).join(' ')
    const run = await start(`permit:bash ${words}`, 20)
    const request = get(`${url}/api/v1/runs/${run.id}/events/stream`, {
      headers: { authorization: `Bearer ${rest.token}` },
    })
    // The response event of a client request carries its message.
    const [slow] = (await once(request, 'response')) as [IncomingMessage]
    slow.pause()
    const responses = await Promise.all(Array.from({ length: 100 }, () => open(run)))
    const all = Promise.all(responses.map((response) => collect(read(response))))
    await rest.call('POST', `/approvals/${run.pending[0]!.id}/decision`, { body: { option_id: 'once' } })
    const watched = await all
    const { last_seq } = (await rest.call<Run>('GET', `/runs/${run.id}`)).body
    for (const events of watched) expect(seqs(events)).toEqual(upTo(last_seq))
    let text = ''
    for await (const chunk of slow) text += chunk
    expect([...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))).toEqual(upTo(last_seq))
  })
})

describe('an AG-UI client', () => {
  // It takes `seq` and `at` off each event and says so each time.
  beforeAll(() => void vi.stubEnv('SUPPRESS_TRANSFORMATION_WARNINGS', 'true'))
  afterAll(() => void vi.unstubAllEnvs())

  /** As the library asks: it would POST its own request, while a run here is watched by GET. */
  class RunWatcher extends HttpAgent {
    protected override requestInit() {
      return { method: 'GET', headers: this.headers, signal: this.abortController.signal }
    }
  }
  const watcher = (run: Run) =>
    new RunWatcher({
      url: `${url}/api/v1/runs/${run.id}/events/stream`,
      headers: { authorization: `Bearer ${rest.token}` },
      threadId: run.session_id,
    })

  test('takes every event of the stream as one of the protocol', async () => {
    const run = await start('say:hello tool:bash usage:5,7 permit:bash say:end', 20)
    await rest.call('POST', `/approvals/${run.pending[0]!.id}/decision`, { body: { option_id: 'once' } })
    const failed = await start('say:x fail:broken', 20)
    const events = [...(await collect(read(await open(run)))), ...(await collect(read(await open(failed))))]
    const types = new Set(events.map(({ type }) => type))
    expect([...types]).toEqual(
      expect.arrayContaining(['TEXT_MESSAGE_CONTENT', 'TOOL_CALL_RESULT', 'CUSTOM', 'RUN_ERROR']),
    )
    for (const event of events) {
      const { success, error } = EventSchemas.safeParse(event)
      expect(success, `${JSON.stringify(event)}: ${error?.message}`).toBe(true)
    }
  })

  test('shows the messages and tool calls of a run', async () => {
    const run = await start('say:I_look_at_it. tool:bash say:It_is_fine.', 20)
    const events: BaseEvent[] = []
    const { newMessages } = await watcher(run).runAgent(
      { runId: run.id },
      { onEvent: ({ event }) => void events.push(event) },
    )
    expect(events.length).toBe(run.last_seq)
    const said = newMessages.map((message) => [message.role, 'content' in message ? message.content : undefined])
    expect(said).toEqual(
      expect.arrayContaining([
        ['assistant', 'I look at it.'],
        ['tool', 'bash done'],
        ['assistant', 'It is fine.'],
      ]),
    )
    const calls = newMessages.flatMap((message) => ('toolCalls' in message ? (message.toolCalls ?? []) : []))
    expect(calls.map((call) => call.function.name)).toEqual(['bash'])
  })

  test('follows a run over a question to its end', async () => {
    const run = await start('permit:bash', 20)
    const outcomes: string[] = []
    const following = watcher(run).runAgent(
      { runId: run.id },
      { onRunFinishedEvent: ({ event }) => void outcomes.push(String(event.outcome?.type)) },
    )
    await vi.waitFor(() => expect(outcomes).toEqual(['interrupt']))
    await rest.call('POST', `/approvals/${run.pending[0]!.id}/decision`, { body: { option_id: 'once' } })
    await following
    expect(outcomes).toEqual(['interrupt', 'success'])
  })

  test('is told of a failure', async () => {
    const run = await start('fail:out_of_paper', 20)
    const errors: string[] = []
    await watcher(run)
      .runAgent({ runId: run.id }, { onRunErrorEvent: ({ event }) => void errors.push(event.message) })
      .catch(() => {})
    expect(errors.join()).toContain('out of paper')
  })
})
