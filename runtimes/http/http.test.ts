import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Webhook } from 'standardwebhooks'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { HubError, type Runtime, type RuntimeEvent, RuntimeRejection, type Snapshot } from '../../core/index.ts'
import { startHttpAgent } from '../../test/emulators/http-agent.ts'
import { memoryInbox } from '../../test/memory-inbox.ts'
import { runtimeTrial } from '../../test/runtime-trial.ts'
import { http } from './http.ts'

const secret = `whsec_${Buffer.from('the key of these tests').toString('base64')}`
const values: Record<string, string> = {
  'env:AGENT_SECRET': secret,
  'env:AGENT_TOKEN': 'Bearer of-the-test',
  'env:BROKEN': 'no!base64',
}
const { add, inbox } = memoryInbox()

const host = {
  runtimeId: 'rtm_http',
  name: 'http',
  dataDir: '/nowhere',
  inbox,
  log: { info: () => {}, warn: () => {}, error: () => {} },
  resolveSecret: async (reference: string) => {
    const value = values[reference]
    if (value === undefined) throw new HubError('secret_unresolved', `${reference} is not set.`)
    return value
  },
}

async function open(given: Record<string, unknown>) {
  const settings = { allow_private_addresses: true, ...given }
  const subject = { kind: http, settings, boundMs: 5_000, prompts: { succeeds: '', fails: '', lasts: '' } }
  const instances: Runtime[] = []
  const reopen = async () => {
    const runtime = await http.open(http.settings.parse(settings), host)
    instances.push(runtime)
    return runtime
  }
  const trial = runtimeTrial(subject, {
    runtime: await reopen(),
    capabilities: http.capabilities(http.settings.parse(settings)),
    reopen,
  })
  onTestFinished(async () => {
    await trial.close()
    for (const instance of instances) await instance.close?.()
  })
  return trial
}
type Opened = Awaited<ReturnType<typeof open>>

/** A server that answers everything in one way. */
async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `http://127.0.0.1:${address.port}/agent`
}

const answerWith = (status: number, type: string, body: string) =>
  serve((_request, response) => void response.writeHead(status, { 'content-type': type }).end(body))

async function hear(trial: Opened, text: string): Promise<{ events: RuntimeEvent[]; snapshot: Snapshot }> {
  const { ref } = await trial.begin(text)
  const events: RuntimeEvent[] = []
  for await (const event of trial.runtime.stream(ref, trial.io())) events.push(event)
  return { events, snapshot: await trial.status(ref) }
}

const textOf = (events: RuntimeEvent[]) => events.map((event) => (event.type === 'text' ? event.delta : '')).join('')

const stream = await startHttpAgent({ mode: 'stream', secret })
const durable = await startHttpAgent({ mode: 'stream', durable: true })
afterAll(() => Promise.all([stream.close(), durable.close()]))

describe('the request', () => {
  test('is signed, keyed by the run, and carries what the agent is told', async () => {
    const trial = await open({
      url: stream.url,
      secret: 'env:AGENT_SECRET',
      mode: 'stream',
      headers: { authorization: { secret: 'env:AGENT_TOKEN' }, 'x-plain': 'yes' },
      accepts: { instructions: 'replace', model: true, env: true, files: true },
    })
    const file = {
      id: 'fil_1',
      name: 'a.txt',
      mediaType: 'text/plain',
      bytes: 5,
      read: async () => Buffer.from('hällo'),
    }
    const { turn, ref } = await trial.begin('say:hi', {
      instructions: 'Be brief.',
      model: 'scripted/one',
      env: { CITY: 'Oslo' },
      input: { text: 'files say:%20 config:env', files: [file] },
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      modelEndpoint: { baseUrl: 'http://127.0.0.1:1', token: 'relay-token', api: 'chat' },
    })
    expect((await trial.follow(ref)).output).toBe('a.txt=hällo {"CITY":"Oslo"}')
    const sent = stream.requests.find(
      ({ method, headers }) => method === 'POST' && headers['idempotency-key'] === turn.runId,
    )
    expect(sent?.headers).toMatchObject({
      'webhook-id': turn.runId,
      authorization: 'Bearer of-the-test',
      'x-plain': 'yes',
      traceparent: turn.traceparent,
    })
    expect(sent?.body).toMatchObject({
      run_id: turn.runId,
      session_id: turn.sessionId,
      agent: { name: 'contract' },
      config: { instructions: 'Be brief.', model: 'scripted/one', model_endpoint: null, mcp_endpoint: null },
      callback: null,
    })
    expect(JSON.stringify(sent?.body)).not.toContain('relay-token')
  })

  test('carries the token of the relay only where the settings ask for it', async () => {
    const trial = await open({ url: durable.url, durable: true, accepts: { model_endpoint: true } })
    const { ref } = await trial.begin('config:model_endpoint', {
      modelEndpoint: { baseUrl: 'http://127.0.0.1:1', token: 'relay-token', api: 'chat' },
    })
    expect((await trial.follow(ref)).output).toBe('{"base_url":"http://127.0.0.1:1","token":"relay-token"}')
  })

  test('is not made with files that the agent does not read or that are too large', async () => {
    const file = {
      id: 'fil_1',
      name: 'a.txt',
      mediaType: 'text/plain',
      bytes: 11 * 1024 * 1024,
      read: async () => Buffer.alloc(0),
    }
    const unread = await open({ url: durable.url, durable: true })
    await expect(unread.begin('', { input: { text: 'say:hi', files: [file] } })).rejects.toThrow(/reads no files/)
    const trial = await open({ url: durable.url, durable: true, accepts: { files: true } })
    await expect(trial.begin('', { input: { text: 'say:hi', files: [file] } })).rejects.toThrow(RuntimeRejection)
  })
})

describe('a run is surely not accepted', () => {
  const rejected = async (given: Record<string, unknown>, text = 'say:hi') => {
    const trial = await open(given)
    return trial.begin(text).then(
      () => null,
      (error: unknown) => error,
    )
  }

  test.each([400, 401, 404, 409, 422, 429])('when the agent answers %i', async (status) => {
    const error = await rejected({ url: durable.url, durable: true }, `status:${status}`)
    expect(error).toBeInstanceOf(RuntimeRejection)
    expect(String(error)).toContain(`status ${status}: told to refuse`)
  })

  test.each([301, 302, 307, 308])('when it redirects with %i, which is not followed', async (status) => {
    let called = 0
    const elsewhere = await serve((_request, response) => void response.end(String(called++)))
    const url = await serve((_request, response) => void response.writeHead(status, { location: elsewhere }).end())
    for (const mode of ['sync', 'stream']) {
      const error = await rejected({ url, mode, secret: 'env:AGENT_SECRET' })
      expect(error).toBeInstanceOf(RuntimeRejection)
    }
    expect(called).toBe(0)
  })

  test('when nobody listens', async () => {
    expect(await rejected({ url: 'http://127.0.0.1:1/' })).toMatchObject({
      name: 'RuntimeRejection',
      code: 'runtime_unavailable',
    })
  })

  test.each(['http://127.0.0.1:1/', 'http://localhost:1/', 'http://2130706433:1/', 'http://[::ffff:127.0.0.1]:1/'])(
    'when %s is private and that is not allowed',
    async (url) => {
      const error = await rejected({ url, allow_private_addresses: false })
      expect(error).toMatchObject({ name: 'RuntimeRejection', code: 'runtime_rejected' })
      expect(String(error)).toContain('allow_private_addresses')
    },
  )

  test('when a secret is missing or is none', async () => {
    expect(await rejected({ url: stream.url, secret: 'env:MISSING' })).toMatchObject({
      name: 'RuntimeRejection',
      message: 'env:MISSING is not set.',
    })
    const error = await rejected({ url: stream.url, secret: 'env:BROKEN' })
    expect(error).toBeInstanceOf(RuntimeRejection)
    expect(String(error)).not.toContain('no!base64')
  })

  test('when mode async has no address for callbacks', async () => {
    const error = await rejected({ url: stream.url, mode: 'async', secret: 'env:AGENT_SECRET' })
    expect(String(error)).toContain('SIGNALBOX_PUBLIC_URL')
  })
})

describe('whether a run was accepted is left open', () => {
  test('when the agent answers 500, since it may be at work', async () => {
    const trial = await open({ url: durable.url, durable: true })
    const error = await trial.begin('status:500 say:hi').catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(Error)
    expect(error).not.toBeInstanceOf(RuntimeRejection)
  })

  test('when the connection breaks after the request', async () => {
    const url = await serve((request) => void request.socket.destroy())
    const error = await (await open({ url })).begin('hi').catch((caught: unknown) => caught)
    expect(error).toMatchObject({ name: 'RequestFailed', reached: true })
  })

  test('when no answer comes in time', async () => {
    const url = await serve(() => {})
    const error = await (await open({ url, durable: true, timeout_seconds: 1 }))
      .begin('hi')
      .catch((caught: unknown) => caught)
    expect(error).toMatchObject({ name: 'RequestFailed', reached: true })
  })

  test('and find tells a durable run from one that never came', async () => {
    const trial = await open({ url: durable.url, durable: true })
    const turn = trial.turn('status:500 sleep:50 say:hi')
    const prepared = trial.runtime.prepare(turn)
    expect(await trial.runtime.find?.(prepared, turn, trial.io())).toBeNull()
    await expect(trial.runtime.start(prepared, turn, trial.io())).rejects.toThrow(/500/)
    const found = await trial.runtime.find?.(prepared, turn, trial.io())
    expect((await trial.follow(found ?? {})).output).toBe('hi')
    expect(durable.starts(turn.runId)).toBe(1)
  })
})

describe('one JSON', () => {
  test.each([
    ['{"output":"hi","usage":{"input_tokens":3}}', { status: 'succeeded', output: 'hi', usage: { input_tokens: 3 } }],
    ['{"output":""}', { status: 'succeeded', output: '' }],
    [
      '{"error":{"code":"model_failed","message":"no credit"}}',
      { status: 'failed', error: { code: 'model_failed', message: 'no credit' } },
    ],
    [
      '{"error":{"code":"E42","message":"odd"}}',
      { status: 'failed', error: { code: 'runtime_failed', message: 'E42: odd' } },
    ],
    ['{"error":"plain"}', { status: 'failed', error: { code: 'runtime_failed', message: 'plain' } }],
    [
      '{"answer":"hi"}',
      { status: 'failed', error: { code: 'runtime_failed', message: 'The agent answered 200 without `output`.' } },
    ],
    [
      '<html>',
      { status: 'failed', error: { code: 'runtime_failed', message: 'The agent answered 200 without `output`.' } },
    ],
  ])('%s', async (body, expected) => {
    const { snapshot } = await hear(await open({ url: await answerWith(200, 'application/json', body) }), 'hi')
    expect(snapshot).toEqual(expected)
  })

  test('that is endless is not read to its end', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      }
      response.on('drain', more)
      more()
    })
    const { snapshot } = await hear(await open({ url }), 'hi')
    expect(snapshot).toMatchObject({ status: 'unknown', error: { message: expect.stringContaining('longer than') } })
  })

  test('that breaks off leaves the outcome unknown', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
      response.write('{"out', () => response.destroy())
    })
    expect((await hear(await open({ url }), 'hi')).snapshot.status).toBe('unknown')
  })

  test('with 202 in mode sync says which setting it needs', async () => {
    const { snapshot } = await hear(await open({ url: await answerWith(202, 'application/json', '{}') }), 'hi')
    expect(snapshot).toMatchObject({
      status: 'failed',
      error: { message: expect.stringContaining('mode async or durable') },
    })
  })
})

describe('an event stream', () => {
  const streaming = () => open({ url: stream.url, secret: 'env:AGENT_SECRET', mode: 'stream' })

  test('tells each kind of event, and what it does not know as raw', async () => {
    const { events, snapshot } = await hear(
      await streaming(),
      'think:hm tool:read progress:halfway artifact:report.txt unknown usage:5,2 snapshot:draft say:%20done',
    )
    expect(events.map(({ type }) => type)).toEqual([
      'reasoning',
      'tool_call',
      'tool_result',
      'progress',
      'artifact',
      'raw',
      'usage',
      'text_snapshot',
      'text',
    ])
    const artifact = events.find((event) => event.type === 'artifact')
    expect(Buffer.from((await artifact?.read()) ?? []).toString()).toBe('content of report.txt')
    expect(events.find((event) => event.type === 'raw')?.event).toEqual({ type: 'weather', temperature: 21 })
    expect(snapshot).toEqual({
      status: 'succeeded',
      output: 'draft done',
      usage: { input_tokens: 5, output_tokens: 2, model_calls: 1 },
    })
  })

  test('may be cut within a character', async () => {
    const { events, snapshot } = await hear(await streaming(), 'bytewise say:żółć%20🚂 say:%20末')
    expect(textOf(events)).toBe('żółć 🚂 末')
    expect(snapshot.output).toBe('żółć 🚂 末')
  })

  test('that says an event twice is heard once', async () => {
    for (const trial of [await streaming(), await open({ url: durable.url, mode: 'stream', durable: true })]) {
      const { events } = await hear(trial, 'say:one duplicate say:two')
      expect(textOf(events)).toBe('onetwo')
    }
  })

  test('that breaks off leaves the outcome unknown', async () => {
    const { events, snapshot } = await hear(await streaming(), 'say:half sleep:20 cut')
    expect(textOf(events)).toBe('half')
    expect(snapshot.status).toBe('unknown')
  })

  test('that ends without `finished` is no success', async () => {
    const { snapshot } = await hear(await streaming(), 'say:half sleep:20 end')
    expect(snapshot).toMatchObject({
      status: 'failed',
      error: { code: 'runtime_failed', message: expect.stringContaining('finished') },
    })
  })

  test('of a durable agent goes on from the cursor after it broke off', async () => {
    const trial = await open({ url: durable.url, mode: 'stream', durable: true })
    const { ref } = await trial.begin('say:one%20 sleep:30 cut sleep:30 say:two%20 sleep:30 cut say:three')
    const told = { messages: new Map<string, string>(), events: [], interrupts: [], usage: [], cursor: undefined }
    expect(await trial.listen(ref, told)).toBe('broke')
    expect((await trial.follow(ref, told)).output).toBe('one two three')
    expect([...told.messages.values()]).toEqual(['one two three'])
  })

  test('that nobody reads holds the agent up, and is read to its end later', async () => {
    const many = 3_000
    let written = 0
    const pour = async (response: ServerResponse) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (; written < many && !response.destroyed; written++) {
        const text = `data: ${JSON.stringify({ type: 'text', message_id: 'm', delta: 'x'.repeat(10_000) })}\n\n`
        if (!response.write(text)) await new Promise((resolve) => response.once('drain', resolve))
      }
      response.end(`data: {"type":"finished","status":"succeeded","output":"all"}\n\n`)
    }
    const url = await serve((_request, response) => void pour(response))
    const trial = await open({ url, mode: 'stream' })
    const { ref } = await trial.begin('hi')
    let before = -1
    await expect
      .poll(
        () => {
          const still = written === before
          before = written
          return still
        },
        { interval: 200 },
      )
      .toBe(true)
    expect(written).toBeLessThan(many)
    let heard = 0
    for await (const event of trial.runtime.stream(ref, trial.io()))
      if (event.type === 'text') heard += event.delta.length
    expect(heard).toBe(many * 10_000)
    expect(await trial.status(ref)).toEqual({ status: 'succeeded', output: 'all' })
  })
})

describe('stopping', () => {
  test('closes the connection of a run that is one, and no other', async () => {
    const trial = await open({ url: stream.url, secret: 'env:AGENT_SECRET', mode: 'stream' })
    const [one, two] = [await trial.begin('sleep:60000'), await trial.begin('sleep:60000')]
    expect(await trial.runtime.send(one.ref, { type: 'cancel', reason: 'enough' }, trial.io())).toEqual({
      result: 'done',
    })
    await expect.poll(() => stream.status(one.turn.runId)).toBe('cancelled')
    expect(stream.status(two.turn.runId)).toBe('running')
  })

  test('is refused when the connection went with an earlier process', async () => {
    const trial = await open({ url: stream.url, secret: 'env:AGENT_SECRET', mode: 'stream' })
    const { ref } = await trial.begin('sleep:60000')
    const other = await trial.reopen()
    await expect(other.send(ref, { type: 'cancel', reason: 'enough' }, trial.io())).rejects.toMatchObject({
      code: 'runtime_cannot',
    })
    expect(await other.status(ref, trial.io())).toEqual({ status: 'unknown' })
  })

  test('the runtime itself ends the connections that it holds', async () => {
    const trial = await open({ url: stream.url, secret: 'env:AGENT_SECRET', mode: 'stream' })
    const { turn, ref } = await trial.begin('say:hi sleep:60000')
    const reading = trial.listen(ref, { messages: new Map(), events: [], interrupts: [], usage: [], cursor: undefined })
    await trial.runtime.close?.()
    expect(await reading).toBe('ended')
    await expect.poll(() => stream.status(turn.runId)).toBe('cancelled')
  })

  test('a durable agent that lost the run is not waited for', async () => {
    const trial = await open({ url: durable.url, mode: 'stream', durable: true })
    const ref = { run_id: 'run_lost', session_id: 'ses_lost', took: 'durable' }
    expect(await trial.status(ref)).toEqual({ status: 'unknown' })
    await expect(trial.runtime.send(ref, { type: 'cancel', reason: 'enough' }, trial.io())).rejects.toMatchObject({
      code: 'runtime_failed',
    })
  })
})

describe('a callback', () => {
  const key = new Webhook(secret)
  const told = { run_id: 'run_1', events: [{ seq: 1, type: 'text', message_id: 'm', delta: 'hi' }] }
  const signed = (body: string, { at = new Date(), by = key, id = 'msg_1' } = {}) =>
    new Request('http://hub.example/callback', {
      method: 'POST',
      body,
      headers: {
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
        'webhook-signature': by.sign(id, at, body),
      },
    })
  const calling = () => open({ url: stream.url, mode: 'async', secret: 'env:AGENT_SECRET' })

  test('with a signature that holds tells its events', async () => {
    const { runtime } = await calling()
    const received = await runtime.receive?.(signed(JSON.stringify(told)))
    expect(received).toEqual({
      runId: 'run_1',
      events: [{ seq: 1, event: { type: 'text', message_id: 'm', delta: 'hi' } }],
    })
  })

  test.each<[string, (body: string) => Request, string]>([
    ['without a signature', (body) => new Request('http://hub.example/', { method: 'POST', body }), 'unauthenticated'],
    [
      'signed with another key',
      (body) => signed(body, { by: new Webhook(Buffer.from('another key').toString('base64')) }),
      'unauthenticated',
    ],
    ['signed long ago', (body) => signed(body, { at: new Date(Date.now() - 301_000) }), 'unauthenticated'],
    ['signed for later', (body) => signed(body, { at: new Date(Date.now() + 301_000) }), 'unauthenticated'],
    [
      'with another body than was signed',
      (body) => new Request('http://hub.example/', { method: 'POST', body: `${body} `, headers: signed(body).headers }),
      'unauthenticated',
    ],
    ['that is no JSON', () => signed('hi'), 'invalid_request'],
    ['without a seq', () => signed('{"run_id":"run_1","events":[{"type":"text"}]}'), 'invalid_request'],
    ['with a seq below 1', () => signed('{"run_id":"run_1","events":[{"seq":0,"type":"text"}]}'), 'invalid_request'],
    ['that is too long', () => signed(JSON.stringify({ ...told, padding: 'x'.repeat(1_100_000) })), 'body_too_large'],
  ])('%s is refused', async (_, request, code) => {
    const { runtime } = await calling()
    await expect(runtime.receive?.(request(JSON.stringify(told)))).rejects.toMatchObject({ name: 'HubError', code })
  })

  test('is refused by a runtime that has no secret', async () => {
    const { runtime } = await open({ url: stream.url })
    await expect(runtime.receive?.(signed(JSON.stringify(told)))).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('that came before the hub knew how the agent took the run counts all the same', async () => {
    const trial = await calling()
    const turn = trial.turn('hi')
    const ref = trial.runtime.prepare(turn)
    expect(await trial.status(ref)).toEqual({ status: 'unknown' })
    add(turn.runId, [{ seq: 1, event: { type: 'text', message_id: 'm', delta: 'hi' } }])
    expect((await trial.status(ref)).status).toBe('running')
    add(turn.runId, [{ seq: 2, event: { type: 'finished', status: 'succeeded' } }])
    expect(await trial.status(ref)).toEqual({ status: 'succeeded', output: 'hi' })
  })
})

describe('health', () => {
  const healthOf = async (given: Record<string, unknown>) => {
    const { runtime, io } = await open(given)
    return runtime.health(io())
  }

  test('says what the agent says of itself', async () => {
    expect(await healthOf({ url: durable.url, durable: true })).toMatchObject({
      status: 'ok',
      version: '1',
      models: ['scripted/one'],
      message: null,
    })
  })
  test('takes any answer as a sign of life, since a GET is optional', async () => {
    expect(await healthOf({ url: await answerWith(405, 'text/plain', 'POST only') })).toMatchObject({
      status: 'ok',
      version: null,
    })
  })
  test('says that the settings claim what the agent does not do', async () => {
    const health = await healthOf({ url: stream.url, secret: 'env:AGENT_SECRET', durable: true })
    expect(health).toMatchObject({ status: 'degraded', message: expect.stringContaining('durable') })
  })
  test('says that the agent refuses the signature', async () => {
    expect(await healthOf({ url: stream.url })).toMatchObject({
      status: 'degraded',
      remedy: expect.stringContaining('secret'),
    })
  })
  test.each([
    [{ url: 'http://127.0.0.1:1/' }, 'Start the agent'],
    [{ url: 'http://127.0.0.1:1/', allow_private_addresses: false }, 'allow_private_addresses'],
    [{ url: stream.url, secret: 'env:MISSING' }, 'environment variable'],
  ])('%j is down, with a remedy', async (given, remedy) => {
    expect(await healthOf(given)).toMatchObject({ status: 'down', remedy: expect.stringContaining(remedy) })
  })
})

describe('settings', () => {
  test.each([
    [{ url: 'ftp://example.com' }, 'url'],
    [{ url: 'https://user:word@example.com' }, 'url'],
    [{ url: 'https://example.com', secret: 'whsec_plain' }, 'secret'],
    [{ url: 'https://example.com', mode: 'async' }, 'secret'],
    [{ url: 'https://example.com', headers: { 'Webhook-Id': 'x' } }, 'headers'],
    [{ url: 'https://example.com', headers: { 'a b': 'x' } }, 'headers'],
    [{ url: 'https://example.com', headers: { a: 'b\r\nc: d' } }, 'line breaks'],
    [{ url: 'https://example.com', retries: 3 }, 'retries'],
  ])('%j is refused', (settings, field) => {
    const { error } = http.settings.safeParse(settings)
    expect(JSON.stringify(error?.issues)).toContain(field)
  })
  test('that claim nothing promise nothing', () => {
    expect(http.capabilities(http.settings.parse({ url: 'https://example.com' }))).toEqual({
      continue: false,
      deltas: false,
      resume: 'none',
      cancel: 'kill',
      steer: false,
      interrupts: [],
      usage: 'none',
      cost: false,
      idempotent_start: false,
      placement: 'anywhere',
      config: {
        instructions: 'none',
        model: false,
        env: false,
        skills: false,
        mcp_servers: false,
        permissions: false,
        files: false,
      },
    })
  })
})

test('hundreds of runs at once each end with their own words', { timeout: 60_000 }, async () => {
  for (const given of [
    { url: stream.url, secret: 'env:AGENT_SECRET', mode: 'stream' },
    { url: durable.url, mode: 'stream', durable: true },
  ]) {
    const trial = await open(given)
    const outputs = await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        const { ref } = await trial.begin(`say:run sleep:50 say:-${i}`)
        return (await trial.follow(ref)).output
      }),
    )
    expect(outputs).toEqual(Array.from({ length: 300 }, (_, i) => `run-${i}`))
  }
})
