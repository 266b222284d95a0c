import { request as rawRequest } from 'node:http'
import { LLMock } from '@copilotkit/aimock'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { HubError } from '../core/index.ts'
import { type ScriptedProvider, scriptedProvider } from '../test/scripted-provider.ts'
import type { Provider } from './providers.ts'
import { type ModelRelay, modelRelay, type RelayCore } from './relay.ts'
import type { CallUsage } from './usage.ts'

const KEYS = { 'env:ANTHROPIC_API_KEY': 'sk-ant-real-key-0123456789', 'env:OPENAI_API_KEY': 'sk-real-key-0123456789' }
const VAULT_VALUE = 'hunter2-the-vault-value'
const TOKEN = 'sbxs_good-session-token'

/** Tokens and the models of their runs; what is not here is refused, as core does. */
const SESSIONS: Record<string, string | null> = {
  [TOKEN]: null,
  'sbxs_openai-only': 'openai/gpt-5.5',
  sbxs_router: 'openai/anthropic/claude-sonnet-5',
  sbxs_demo: 'demo/demo',
}

let upstream: ScriptedProvider
let relay: ModelRelay
let recorded: { runId: string; usage: CallUsage }[] = []
let logged: string[] = []
let lookUps = 0
const log = (message: string, fields?: object) => void logged.push(`${message} ${JSON.stringify(fields)}`)

const core: RelayCore = {
  scrub: (text) => text.replaceAll(VAULT_VALUE, '[REDACTED:vault]'),
  resolveSecret: async (reference) => KEYS[reference as keyof typeof KEYS] ?? '',
  gateway: {
    async session(token, purpose) {
      lookUps++
      const model = SESSIONS[token]
      if (model === undefined || purpose !== 'model')
        throw new HubError('unauthenticated', 'The token is not known here.')
      return { sessionId: 'ses_1', runId: 'run_1', agentId: 'agt_1', model }
    },
    record: async (runId, usage) => void recorded.push({ runId, usage }),
  },
}

beforeAll(async () => {
  upstream = await scriptedProvider()
  const providers = new Map<string, Provider>([
    [
      'anthropic',
      {
        id: 'anthropic',
        dialect: 'anthropic',
        api: 'messages',
        baseUrl: `${upstream.url}/v1`,
        key: 'env:ANTHROPIC_API_KEY',
      },
    ],
    [
      'openai',
      { id: 'openai', dialect: 'openai', api: 'chat', baseUrl: `${upstream.url}/v1`, key: 'env:OPENAI_API_KEY' },
    ],
    ['demo', { id: 'demo', dialect: 'demo', api: 'chat', baseUrl: '', key: null }],
  ])
  relay = await modelRelay(core, { providers, log: { info: log, warn: log, error: log } })
})
afterAll(async () => {
  await relay.close()
  await upstream.close()
})
beforeEach(() => {
  recorded = []
  logged = []
  lookUps = 0
  upstream.seen = []
  upstream.aborted = 0
})
afterEach(() => {
  const everything = JSON.stringify(logged)
  for (const secret of [...Object.values(KEYS), ...Object.keys(SESSIONS), VAULT_VALUE])
    expect(everything).not.toContain(secret)
})

const CHAT = '/openai/v1/chat/completions'
const MESSAGES = '/anthropic/v1/messages'
const chatBody = (more: object = {}) => ({ model: 'gpt-5.5', messages: [{ role: 'user', content: 'hello' }], ...more })

function post(
  path: string,
  body: unknown,
  headers: Record<string, string> = { authorization: `Bearer ${TOKEN}` },
  init: RequestInit = {},
) {
  return fetch(`${relay.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  })
}

const errorOf = async (response: Response) => {
  const body = (await response.json()) as { type?: string; error: { type: string; code?: string; message: string } }
  return { status: response.status, body }
}

/** Usage is recorded after the reply went out. */
const recordedCalls = (amount: number) => vi.waitFor(() => expect(recorded).toHaveLength(amount))

describe('credentials', () => {
  test("OpenAI's key goes out in place of the session token, and nothing else of the caller's credentials", async () => {
    const response = await post(CHAT, chatBody(), {
      authorization: `Bearer ${TOKEN}`,
      'x-api-key': 'callers-own',
      cookie: 'session=callers-own',
      'openai-organization': 'org-callers-own',
      'x-forwarded-for': '10.0.0.1',
      'user-agent': 'harness/1.0',
    })
    expect(response.status).toBe(200)
    const [seen] = upstream.seen
    expect(seen).toMatchObject({ method: 'POST', url: '/v1/chat/completions' })
    expect(seen!.headers).toMatchObject({
      authorization: `Bearer ${KEYS['env:OPENAI_API_KEY']}`,
      'user-agent': 'harness/1.0',
    })
    expect(JSON.stringify(seen)).not.toMatch(/sbxs_|callers-own|x-forwarded-for/)
  })

  test("Anthropic's key goes out as x-api-key, with the caller's version and betas", async () => {
    await post(`${MESSAGES}?beta=true&api_key=callers-own`, chatBody({ model: 'claude-sonnet-5' }), {
      'x-api-key': TOKEN,
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'context-1m',
    })
    const [seen] = upstream.seen
    expect(seen!.url).toBe('/v1/messages?beta=true')
    expect(seen!.headers).toMatchObject({
      'x-api-key': KEYS['env:ANTHROPIC_API_KEY'],
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'context-1m',
    })
    expect(JSON.stringify(seen)).not.toMatch(/sbxs_|authorization|callers-own/)
  })

  test.each([
    ['no token', {}],
    ['a wrong token', { authorization: 'Bearer sbxs_wrong' }],
    ['an empty token', { authorization: 'Bearer ' }],
    ['the real key in place of a token', { authorization: `Bearer ${KEYS['env:OPENAI_API_KEY']}` }],
  ])('%s is refused, as OpenAI says it, and nothing goes out', async (_, headers) => {
    const { status, body } = await errorOf(await post(CHAT, chatBody(), headers as Record<string, string>))
    expect(status).toBe(401)
    expect(body.error).toMatchObject({ code: 'invalid_api_key', type: 'invalid_request_error' })
    expect(upstream.seen).toHaveLength(0)
  })

  test('a wrong token is refused as Anthropic says it', async () => {
    const { status, body } = await errorOf(await post(MESSAGES, chatBody(), { 'x-api-key': 'sbxs_wrong' }))
    expect(status).toBe(401)
    expect(body).toMatchObject({ type: 'error', error: { type: 'authentication_error' } })
  })

  test('secrets in the strings of a request are replaced, wherever they are; the rest stays as it was', async () => {
    await post(
      CHAT,
      chatBody({
        messages: [{ role: 'user', content: [{ type: 'text', text: `key ${VAULT_VALUE} and ${TOKEN}` }] }],
        metadata: { a: VAULT_VALUE },
      }),
    )
    expect(JSON.parse(upstream.seen[0]!.body)).toEqual({
      model: 'gpt-5.5',
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'key [REDACTED:vault] and [REDACTED:session_token]' }] },
      ],
      metadata: { a: '[REDACTED:vault]' },
    })
  })

  test('a request without secrets goes out byte for byte', async () => {
    const body =
      '{ "model":"gpt-5.5",\n "temperature":1.0, "seed":12345678901234567890, "messages":[{"role":"user","content":"\\u00fc"}] }'
    await post(CHAT, body)
    expect(upstream.seen[0]!.body).toBe(body)
  })

  test("a refusal that repeats the hub's key comes without it", async () => {
    upstream.script = (response, { headers }) =>
      void response
        .writeHead(401, { 'content-type': 'application/json' })
        .end(JSON.stringify({ error: { message: `Bad key: ${headers.authorization}` } }))
    const response = await post(CHAT, chatBody())
    expect(response.status).toBe(401)
    expect(await response.text()).toBe('{"error":{"message":"Bad key: Bearer [REDACTED:provider_key]"}}')
    expect(logged.join()).toContain("a model provider refused the hub's key")
  })
})

describe('where calls go', () => {
  beforeEach(() => {
    upstream.script = (response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":[]}')
  })

  test.each([
    ['/openai/v1/responses', '/v1/responses'],
    ['/anthropic/v1/messages/count_tokens', '/v1/messages/count_tokens'],
  ])('%s goes to the same path of the provider', async (path, there) => {
    expect((await post(path, chatBody())).status).toBe(200)
    expect(upstream.seen[0]!.url).toBe(there)
  })

  test('models are listed by the provider, with its key', async () => {
    const response = await fetch(`${relay.url}/openai/v1/models`, { headers: { authorization: `Bearer ${TOKEN}` } })
    expect(await response.json()).toEqual({ data: [] })
    expect(upstream.seen[0]).toMatchObject({ method: 'GET', url: '/v1/models', body: '' })
  })

  test.each([
    [
      'an unknown provider',
      '/mistral/v1/chat/completions',
      TOKEN,
      {},
      404,
      /no model provider mistral.*Configured are: anthropic, openai, demo/,
    ],
    [
      'an API that the provider has not',
      '/anthropic/v1/chat/completions',
      TOKEN,
      {},
      404,
      /It serves \/anthropic\/v1\/messages/,
    ],
    [
      'a model of another provider',
      CHAT,
      TOKEN,
      { model: 'anthropic/claude-sonnet-5' },
      404,
      /Call \/anthropic\/v1 with model claude-sonnet-5/,
    ],
    ["another provider than the agent's", MESSAGES, 'sbxs_openai-only', {}, 403, /agent uses openai\/gpt-5.5/],
    ['another model than demo of the demo provider', '/demo/v1/chat/completions', TOKEN, {}, 404, /Use demo\/demo/],
    [
      'an unknown path',
      '/openai/v1/embeddings',
      TOKEN,
      {},
      404,
      /It serves POST \/\{provider\}\/v1\/chat\/completions/,
    ],
    ['a body without a model', CHAT, TOKEN, { model: undefined }, 400, /JSON object with `model`/],
    ['a body that is no JSON', CHAT, TOKEN, '{', 400, /JSON object/],
    ['a body that is a list', CHAT, TOKEN, '[]', 400, /JSON object/],
  ])('%s is refused with what to do', async (_, path, token, more, status, message) => {
    const body = typeof more === 'string' ? more : chatBody(more)
    const refused = await errorOf(await post(path, body, { authorization: `Bearer ${token}` }))
    expect(refused.status).toBe(status)
    expect(refused.body.error.message).toMatch(message)
    expect(upstream.seen).toHaveLength(0)
  })

  test("a router's model that is named like another provider is called when the agent asks for it", async () => {
    await post(CHAT, chatBody({ model: 'anthropic/claude-sonnet-5' }), { authorization: 'Bearer sbxs_router' })
    expect(upstream.seen).toHaveLength(1)
  })

  test('more than 32 MiB are refused, with and without a length told before', async () => {
    const large = JSON.stringify(chatBody({ pad: 'x'.repeat(33 * 1024 * 1024) }))
    expect((await errorOf(await post(CHAT, large))).body.error.code).toBe('request_too_large')
    const stream = new Blob([large]).stream()
    const chunked = await post(CHAT, '', undefined, { body: stream, duplex: 'half' } as RequestInit)
    expect(chunked.status).toBe(413)
    expect(upstream.seen).toHaveLength(0)
  })

  test('a token is looked up once for calls that follow each other', async () => {
    for (let call = 0; call < 3; call++) await post(CHAT, chatBody())
    expect(lookUps).toBeLessThanOrEqual(1)
    expect(upstream.seen).toHaveLength(3)
  })
})

describe('replies', () => {
  test('come byte for byte with their headers, except those of the hop', async () => {
    const reply = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x0a, 0x0d])
    upstream.script = (response) =>
      void response
        .writeHead(200, {
          'content-type': 'application/json',
          'x-request-id': 'req_1',
          'set-cookie': 'a=b',
          connection: 'x-hop',
          'x-hop': '1',
        })
        .end(reply)
    const response = await post(CHAT, chatBody())
    expect(Buffer.from(await response.arrayBuffer())).toEqual(reply)
    expect(response.headers.get('x-request-id')).toBe('req_1')
    expect(response.headers.get('set-cookie')).toBeNull()
    expect(response.headers.get('x-hop')).toBeNull()
  })

  test('stream: each piece is there before the next one is sent', async () => {
    let next = () => {}
    upstream.script = async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const piece of ['one', 'two', 'three']) {
        response.write(`data: "${piece}"\n\n`)
        await new Promise<void>((resolve) => {
          next = resolve
        })
      }
      response.end()
    }
    const response = await post(CHAT, chatBody({ stream: true }))
    const seen: string[] = []
    for await (const chunk of response.body!) {
      seen.push(Buffer.from(chunk).toString())
      next()
    }
    expect(seen).toEqual(['data: "one"\n\n', 'data: "two"\n\n', 'data: "three"\n\n'])
  })

  test.each([
    [429, { error: { message: 'slow down', type: 'rate_limit_error' } }],
    [500, { error: { message: 'oops', type: 'server_error' } }],
    [529, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }],
  ])('a %i of the provider passes with its body and retry-after, once', async (status, body) => {
    upstream.script = (response) =>
      void response
        .writeHead(status, { 'content-type': 'application/json', 'retry-after': '7' })
        .end(JSON.stringify(body))
    const response = await post(CHAT, chatBody())
    expect(response.status).toBe(status)
    expect(response.headers.get('retry-after')).toBe('7')
    expect(await response.json()).toEqual(body)
    expect(upstream.seen).toHaveLength(1)
    expect(recorded).toHaveLength(0)
  })

  test.each([
    ['closes before it answers', (response) => void response.destroy()],
    ['answers what is not HTTP', (_, { incoming }) => void incoming.socket.end('nonsense\r\n\r\n')],
    ['sends elsewhere', (response) => void response.writeHead(302, { location: 'http://127.0.0.1:9/v1' }).end()],
  ] as [string, ScriptedProvider['script']][])(
    'a provider that %s is a 502 in its own words, sent once',
    async (_, script) => {
      upstream.script = script
      const openai = await errorOf(await post(CHAT, chatBody()))
      expect(openai).toMatchObject({ status: 502, body: { error: { type: 'server_error' } } })
      const anthropic = await errorOf(await post(MESSAGES, chatBody()))
      expect(anthropic).toMatchObject({ status: 502, body: { type: 'error', error: { type: 'api_error' } } })
      expect(upstream.seen).toHaveLength(2)
    },
  )

  test('a reply that breaks off in the middle breaks off at the caller too', async () => {
    upstream.script = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: "one"\n\n', () => response.destroy())
    }
    const response = await post(CHAT, chatBody({ stream: true }))
    await expect(response.text()).rejects.toThrow('terminated')
    await vi.waitFor(() => expect(logged.join()).toContain('a model reply broke off'))
  })
})

describe('a caller that goes away', () => {
  /** Ends the connection when `when` says so, and resolves when the provider has seen it. */
  async function abortDuring(path: string, script: ScriptedProvider['script']) {
    const abort = new AbortController()
    upstream.script = (response, request) => script(response, request)
    const call = post(path, chatBody({ stream: true }), undefined, { signal: abort.signal })
    return { abort, call }
  }

  test('before the first byte ends the call at the provider, and the relay lives on', async () => {
    const { abort, call } = await abortDuring(CHAT, () => {})
    call.catch(() => {})
    await vi.waitFor(() => expect(upstream.seen).toHaveLength(1))
    abort.abort()
    await vi.waitFor(() => expect(upstream.aborted).toBe(1))
    await recordedCalls(1)
    await expectAlive()
  })

  test('in the middle of a stream ends the call at the provider, and what is known is recorded', async () => {
    const { abort, call } = await abortDuring(MESSAGES, (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(
        'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":25,"output_tokens":1,"cache_read_input_tokens":5}}}\n\n',
      )
    })
    const response = await call
    const reader = response.body!.getReader()
    await reader.read()
    abort.abort()
    await vi.waitFor(() => expect(upstream.aborted).toBe(1))
    await recordedCalls(1)
    expect(recorded[0]).toEqual({
      runId: 'run_1',
      usage: { input_tokens: 30, output_tokens: 1, cache_read_tokens: 5, cache_write_tokens: 0 },
    })
    await expectAlive()
  })

  test('while the provider sends as fast as it can, many times over: nothing is left and nothing is uncaught', async () => {
    const uncaught: unknown[] = []
    const note = (error: unknown) => void uncaught.push(error)
    process.on('uncaughtException', note)
    process.on('unhandledRejection', note)
    upstream.script = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const fill = () => {
        while (!response.destroyed && response.write(`data: "${'x'.repeat(10_000)}"\n\n`));
        if (!response.destroyed) response.once('drain', fill)
      }
      fill()
    }
    const bytesBefore = [0, 1, 5_000, 200_000]
    const calls = Array.from({ length: 40 }, (_, index) => destroyAfter(bytesBefore[index % bytesBefore.length]!))
    await Promise.all(calls)
    await vi.waitFor(() => expect(upstream.aborted).toBe(upstream.seen.length))
    expect(upstream.seen.length).toBeGreaterThan(0)
    expect(uncaught).toEqual([])
    process.off('uncaughtException', note)
    process.off('unhandledRejection', note)
    await expectAlive()
  })

  test('in the middle of its own request is no fault', async () => {
    const call = rawRequest(`${relay.url}${CHAT}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-length': 1000 },
    })
    const closed = new Promise((resolve) => call.on('error', resolve))
    call.write('{"model":', () => call.destroy(new Error('gone')))
    await closed
    await expectAlive()
    expect(upstream.seen.filter(({ body }) => body === '{"model":')).toHaveLength(0)
  })

  /** A raw socket, closed without ceremony after that many bytes of the reply. */
  function destroyAfter(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      const call = rawRequest(`${relay.url}${CHAT}`, {
        method: 'POST',
        agent: false,
        headers: { authorization: `Bearer ${TOKEN}` },
      })
      call.on('close', () => resolve())
      call.on('error', () => {})
      call.on('response', (response) => {
        let received = 0
        response.on('error', () => {})
        if (bytes === 0) call.destroy()
        response.on('data', (chunk: Buffer) => {
          received += chunk.length
          if (received > bytes) call.destroy()
        })
      })
      call.end(JSON.stringify(chatBody({ stream: true })))
    })
  }

  async function expectAlive() {
    upstream.script = (response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end('{"alive":true}')
    expect(await (await post(CHAT, chatBody())).json()).toEqual({ alive: true })
  }
})

test('a caller that does not read holds the provider up, and gets everything when it does', async () => {
  const total = 64 * 1024 * 1024
  let sent = 0
  upstream.script = async (response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' })
    const chunk = Buffer.alloc(64 * 1024, 'x')
    while (sent < total) {
      sent += chunk.length
      if (!response.write(chunk)) await new Promise((resolve) => response.once('drain', resolve))
    }
    response.end()
  }
  const body = await new Promise<AsyncIterable<Buffer>>((resolve) => {
    const headers = { authorization: `Bearer ${TOKEN}` }
    rawRequest(`${relay.url}${CHAT}`, { method: 'POST', headers }, resolve).end(JSON.stringify(chatBody()))
  })
  let before = -1
  await vi.waitFor(
    () => {
      const still = sent === before
      before = sent
      expect(still).toBe(true)
    },
    { interval: 200, timeout: 20_000 },
  )
  expect(sent).toBeLessThan(total)
  let received = 0
  for await (const chunk of body) received += chunk.length
  expect(received).toBe(total)
})

describe('usage', () => {
  let mock: LLMock
  let mocked: ModelRelay

  beforeAll(async () => {
    mock = new LLMock({ port: 0, host: '127.0.0.1' })
    const usage = { prompt_tokens: 321, completion_tokens: 45, input_tokens: 321, output_tokens: 45 }
    mock.onMessage('hello', { content: 'Hello there, this is a longer answer so that it comes in pieces. 🌍', usage })
    await mock.start()
    const providers = new Map<string, Provider>([
      [
        'anthropic',
        {
          id: 'anthropic',
          dialect: 'anthropic',
          api: 'messages',
          baseUrl: `${mock.url}/v1`,
          key: 'env:ANTHROPIC_API_KEY',
        },
      ],
      [
        'openai',
        { id: 'openai', dialect: 'openai', api: 'chat', baseUrl: `${mock.url}/v1`, key: 'env:OPENAI_API_KEY' },
      ],
    ])
    mocked = await modelRelay(core, { providers, log: { info: log, warn: log, error: log } })
  })
  afterAll(async () => {
    await mocked.close()
    await mock.stop()
  })

  test.each([
    ['Chat Completions', CHAT, chatBody(), false],
    ['Chat Completions, streamed', CHAT, chatBody({ stream: true }), true],
    ['Messages', MESSAGES, chatBody({ model: 'claude-sonnet-5', max_tokens: 100 }), false],
    ['Messages, streamed', MESSAGES, chatBody({ model: 'claude-sonnet-5', max_tokens: 100, stream: true }), true],
    ['Responses', '/openai/v1/responses', { model: 'gpt-5.5', input: 'hello' }, false],
    ['Responses, streamed', '/openai/v1/responses', { model: 'gpt-5.5', input: 'hello', stream: true }, true],
  ])('of %s is recorded on the run', async (_, path, body, streamed) => {
    const response = await fetch(`${mocked.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toContain(streamed ? 'text/event-stream' : 'application/json')
    expect(await response.text()).toContain('answer')
    await recordedCalls(1)
    expect(recorded[0]).toEqual({
      runId: 'run_1',
      usage: { input_tokens: 321, output_tokens: 45, cache_read_tokens: 0, cache_write_tokens: 0 },
    })
  })

  test('of a chat stream is asked for, unless the caller decided that', async () => {
    upstream.script = (response) =>
      void response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: [DONE]\n\n')
    await post(CHAT, chatBody({ stream: true }))
    await post(CHAT, chatBody({ stream: true, stream_options: { include_usage: false } }))
    await post(CHAT, chatBody())
    const asked = upstream.seen.map(({ body }) => (JSON.parse(body) as { stream_options?: unknown }).stream_options)
    expect(asked).toEqual([{ include_usage: true }, { include_usage: false }, undefined])
    await recordedCalls(3)
  })

  test('of counting tokens is none', async () => {
    upstream.script = (response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end('{"input_tokens":5}')
    await post('/anthropic/v1/messages/count_tokens', chatBody())
    await post(MESSAGES, chatBody())
    await recordedCalls(1)
  })
})

describe('the demo provider', () => {
  const demo = (more: object = {}) => ({ model: 'demo', messages: [{ role: 'user', content: 'hello' }], ...more })
  const demoPath = '/demo/v1/chat/completions'

  test('answers in process, says what it is, and its estimated usage is recorded', async () => {
    const response = await post(demoPath, demo(), { authorization: 'Bearer sbxs_demo' })
    const body = (await response.json()) as {
      choices: { message: { content: string } }[]
      usage: { prompt_tokens: number; completion_tokens: number }
    }
    expect(body.choices[0]!.message.content).toMatch(/^\[demo model\] /)
    await recordedCalls(1)
    expect(recorded[0]!.usage).toMatchObject({
      input_tokens: body.usage.prompt_tokens,
      output_tokens: body.usage.completion_tokens,
    })
  })

  test('lists its one model', async () => {
    const response = await fetch(`${relay.url}/demo/v1/models`, { headers: { authorization: 'Bearer sbxs_demo' } })
    expect(await response.json()).toMatchObject({ data: [{ id: 'demo' }] })
  })

  test('stops counting when the caller goes away', async () => {
    const abort = new AbortController()
    const body = demo({ stream: true, messages: [{ role: 'user', content: 'count to 100 slowly' }] })
    const response = await post(demoPath, body, { authorization: 'Bearer sbxs_demo' }, { signal: abort.signal })
    const reader = response.body!.getReader()
    expect(Buffer.from((await reader.read()).value!).toString()).toContain('data: ')
    abort.abort()
    await recordedCalls(1)
  })

  test('refuses what is no chat', async () => {
    const { status } = await errorOf(
      await post(demoPath, { model: 'demo', messages: 'hello' }, { authorization: 'Bearer sbxs_demo' }),
    )
    expect(status).toBe(400)
  })
})

test('a relay listens on its old port again, and on another one when that is taken', async () => {
  const options = { providers: new Map(), log: { info: log, warn: log, error: log } }
  const first = await modelRelay(core, options)
  const second = await modelRelay(core, { ...options, port: first.port })
  expect(second.port).not.toBe(first.port)
  expect(logged.join()).toContain('the port of the model relay is taken')
  await first.close()
  const third = await modelRelay(core, { ...options, port: first.port })
  expect(third.port).toBe(first.port)
  await Promise.all([second.close(), third.close()])
})

test('closing ends calls at work and records them first', async () => {
  const closing = await modelRelay(core, {
    providers: new Map([
      ['openai', { id: 'openai', dialect: 'openai', api: 'chat', baseUrl: upstream.url, key: null }],
    ]),
    log: { info: log, warn: log, error: log },
  })
  upstream.script = (response) =>
    void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
  const response = await fetch(`${closing.url}${CHAT}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify(chatBody()),
  })
  expect(upstream.seen[0]!.headers.authorization).toBeUndefined()
  await closing.close()
  expect(recorded).toHaveLength(1)
  await expect(response.text()).rejects.toThrow('terminated')
  await vi.waitFor(() => expect(upstream.aborted).toBe(1))
})
