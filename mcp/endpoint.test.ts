import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Server } from '@modelcontextprotocol/server'
import { afterEach, describe, expect, test } from 'vitest'
import { quiet } from '../test/core.ts'
import { type EndpointOptions, mcpEndpoint } from './endpoint.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** An endpoint on which the name in `x-user` is who asks. */
async function open(options: Partial<EndpointOptions> = {}) {
  const endpoint = mcpEndpoint({
    build: () => {
      const server = new Server({ name: 'test', version: '1' }, { capabilities: { tools: {} } })
      server.setRequestHandler('tools/list', () => ({ tools: [] }))
      return server
    },
    authenticate: async (request) => ({ id: request.headers.get('x-user') ?? 'nobody' }),
    log: quiet,
    ...options,
  })
  const server = serve({ fetch: endpoint.app.fetch, port: 0, hostname: '127.0.0.1' })
  await new Promise<void>((resolve) => (server.listening ? resolve() : server.once('listening', () => resolve())))
  closing.push(async () => {
    await endpoint.close()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
  const send = (
    method: string,
    { user = 'ann', headers = {}, body }: { user?: string; headers?: Record<string, string>; body?: unknown } = {},
  ) =>
    fetch(url, {
      method,
      headers: {
        'x-user': user,
        accept: 'application/json, text/event-stream',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
  const initialize = async (user = 'ann') => {
    const response = await send('POST', {
      user,
      body: { jsonrpc: '2.0', id: 0, method: 'initialize', params: INITIALIZE },
    })
    await response.text()
    return response.headers.get('mcp-session-id') ?? ''
  }
  const list = async (session: string, user = 'ann') => {
    const response = await send('POST', {
      user,
      headers: { 'mcp-session-id': session },
      body: { jsonrpc: '2.0', id: 1, method: 'tools/list' },
    })
    await response.text()
    return response.status
  }
  return { endpoint, send, initialize, list }
}

const INITIALIZE = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } }

describe('a session', () => {
  test('is not there for anyone but its principal', async () => {
    const { initialize, list, send, endpoint } = await open()
    const session = await initialize('ann')
    expect(await list(session, 'ann')).toBe(200)
    expect(await list(session, 'bob')).toBe(404)
    expect((await send('DELETE', { user: 'bob', headers: { 'mcp-session-id': session } })).status).toBe(404)
    expect((await send('GET', { user: 'bob', headers: { 'mcp-session-id': session } })).status).toBe(404)
    expect(endpoint.sessionCount()).toBe(1)
    expect(await list(session, 'ann')).toBe(200)
  })

  test('that nobody uses is ended, and one with an open stream is kept', async () => {
    const { initialize, list, send, endpoint } = await open({ sessions: { idleMs: 100 } })
    const idle = await initialize()
    const listening = await initialize()
    const stream = await send('GET', { headers: { 'mcp-session-id': listening, accept: 'text/event-stream' } })
    expect(stream.status).toBe(200)
    await expect.poll(() => endpoint.sessionCount(), { timeout: 5_000 }).toBe(1)
    expect(await list(idle)).toBe(404)
    expect(await list(listening)).toBe(200)
    await stream.body?.cancel()
    await expect.poll(() => endpoint.sessionCount(), { timeout: 5_000 }).toBe(0)
  })

  test('ends its stream when its token is no longer good', async () => {
    let good = true
    const authenticate = async () => (good ? { id: 'ann' } : new Response('no', { status: 401 }))
    const { initialize, send } = await open({ authenticate, recheckMs: 50 })
    const session = await initialize()
    const stream = await send('GET', { headers: { 'mcp-session-id': session, accept: 'text/event-stream' } })
    expect(stream.status).toBe(200)
    good = false
    // Resolves when the stream is over.
    await stream.text()
  })

  test('past the bound of its principal takes the place of the longest idle one, and leaves those of others', async () => {
    const { initialize, list } = await open({ sessions: { maxPerPrincipal: 2 } })
    const other = await initialize('bob')
    const first = await initialize()
    const second = await initialize()
    expect(await list(first)).toBe(200)
    const third = await initialize()
    expect(await Promise.all([list(first), list(second), list(third), list(other, 'bob')])).toEqual([
      200, 404, 200, 200,
    ])
  })

  test('past the bound of the hub is refused', async () => {
    const { initialize, send } = await open({ sessions: { max: 1 } })
    await initialize()
    const refused = await send('POST', {
      user: 'bob',
      body: { jsonrpc: '2.0', id: 0, method: 'initialize', params: INITIALIZE },
    })
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).not.toBeNull()
  })
})

describe('a stream of changes (2026-07-28)', () => {
  const LISTEN = {
    jsonrpc: '2.0',
    id: 1,
    method: 'subscriptions/listen',
    params: {
      notifications: { resourceSubscriptions: ['test://mine', 'test://other'] },
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    },
  }
  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' }

  test('carries what was granted, and says when its reader has left', async () => {
    let ended = 0
    const { send, endpoint } = await open({
      build: () => new Server({ name: 'test', version: '1' }, { capabilities: { resources: { subscribe: true } } }),
      listen: async () => ({ uris: ['test://mine'], end: () => void ended++ }),
    })
    const stream = await send('POST', { headers, body: LISTEN })
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader.read()).value).toContain('"resourceSubscriptions":["test://mine"]')
    endpoint.notify.resourceUpdated('test://other')
    endpoint.notify.resourceUpdated('test://mine')
    expect((await reader.read()).value).toContain('"uri":"test://mine"')
    expect(ended).toBe(0)
    await reader.cancel()
    await expect.poll(() => ended, { timeout: 5_000 }).toBe(1)
  })
})

describe('a request', () => {
  test('from a page under another name, or to another name, is refused', async () => {
    const { send } = await open()
    const rebound = await send('POST', {
      headers: { origin: 'http://evil.example' },
      body: { jsonrpc: '2.0', id: 1, method: 'ping' },
    })
    expect(rebound.status).toBe(403)
    const { send: sendOpen } = await open({ allowedHosts: ['evil.example'] })
    const allowed = await sendOpen('POST', {
      headers: { origin: 'http://evil.example' },
      body: { jsonrpc: '2.0', id: 1, method: 'initialize', params: INITIALIZE },
    })
    expect(allowed.status).toBe(200)
  })

  test('that is no JSON, no POST of JSON, too large or of another method is told so', async () => {
    const { send } = await open()
    expect((await send('POST', { body: '{' })).status).toBe(400)
    expect((await send('POST', { headers: { 'content-type': 'text/plain' }, body: '{}' })).status).toBe(415)
    expect(
      (
        await send('POST', {
          body: { jsonrpc: '2.0', id: 1, method: 'ping', params: { filler: 'x'.repeat(5 * 1024 * 1024) } },
        })
      ).status,
    ).toBe(413)
    expect((await send('PUT', { body: {} })).status).toBe(405)
  })

  test('that opens a stream may carry a content type, as some clients send one always', async () => {
    const { initialize, send } = await open()
    const session = await initialize()
    const stream = await send('GET', {
      headers: { 'mcp-session-id': session, 'content-type': 'application/json', accept: 'text/event-stream' },
    })
    expect(stream.status).toBe(200)
    await stream.body?.cancel()
  })

  test('that is refused by authentication gets that answer', async () => {
    const { send } = await open({
      authenticate: async () => new Response('no', { status: 401, headers: { 'www-authenticate': 'Bearer' } }),
    })
    const refused = await send('POST', { body: { jsonrpc: '2.0', id: 1, method: 'ping' } })
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
  })
})
