import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorTable } from '../core/index.ts'
import { openRest, type TestRest } from '../test/rest.ts'

const lines: string[] = []
const log = (level: string) => (message: string, fields?: Record<string, unknown>) => {
  lines.push(JSON.stringify({ level, message, ...fields }))
}

type ErrorBody = { error: { code: string; message: string; hint: string; request_id: string; details?: unknown } }

let rest: TestRest
beforeAll(async () => {
  rest = await openRest({
    worker: false,
    log: { info: log('info'), warn: log('warn'), error: log('error') },
    web: { maxBodyBytes: 1_000, publicUrl: 'https://hub.example' },
  })
})
afterAll(async () => {
  await rest.close()
})

describe('an error', () => {
  test('says what happened, what to do, and under which request', async () => {
    const { status, headers, body } = await rest.call<ErrorBody>('GET', '/runs/run_none')
    expect(status).toBe(404)
    expect(body.error).toEqual({
      code: 'run_not_found',
      message: expect.stringContaining('run_none'),
      hint: errorTable.run_not_found.hint,
      request_id: headers.get('x-request-id'),
    })
    expect(lines.some((line) => line.includes(body.error.request_id) && line.includes('"status":404'))).toBe(true)
  })

  test('lists every problem of a body at once', async () => {
    const { status, body } = await rest.call<ErrorBody>('POST', '/runs', {
      body: { prompt: '', mode: 'shout', wait_seconds: 46, agnet: 'echo' },
    })
    expect(status).toBe(400)
    expect(body.error.code).toBe('invalid_request')
    const paths = (body.error.details as { path: string }[]).map(({ path }) => path)
    expect(paths).toEqual(
      expect.arrayContaining(['body.agent', 'body.prompt', 'body.mode', 'body.wait_seconds', 'body']),
    )
    expect(body.error.message).toContain('agnet')
  })

  test('is a refusal for text that the database cannot keep, wherever it stands', async () => {
    const answers = await Promise.all([
      rest.call<ErrorBody>('GET', '/runs/a%00b'),
      rest.call<ErrorBody>('GET', '/agents?query=%00'),
      rest.call<ErrorBody>('POST', '/agents', { body: { name: 'nul', runtime: 'scripted', instructions: 'a\0b' } }),
      rest.call<ErrorBody>('POST', '/agents', {
        body: { name: 'half', runtime: 'scripted', instructions: 'a\ud800b' },
      }),
    ])
    for (const { status, body } of answers) {
      expect(status).toBe(400)
      expect(body.error).toMatchObject({ code: 'invalid_request', message: expect.stringContaining('NUL') })
    }
    expect((await rest.call('GET', '/agents/nul')).status).toBe(404)
    expect((await rest.call('GET', '/agents/half')).status).toBe(404)
  })

  test('lists every problem of a definition at once, as core says it', async () => {
    const { status, body } = await rest.call<ErrorBody>('POST', '/agents', {
      body: { name: 'x', limits: { seconds: -1 }, colour: 'red' },
    })
    expect(status).toBe(400)
    expect(body.error.message).toContain('limits.seconds')
    expect(body.error.message).toContain('colour')
  })

  test.each([
    ['no route', 'GET', '/nowhere', {}, 404, 'not_found'],
    ['a wrong method', 'PUT', '/runs', {}, 405, 'method_not_allowed'],
    ['no token', 'GET', '/runs', { token: null }, 401, 'unauthenticated'],
    ['a wrong token', 'GET', '/runs', { token: 'sbx_wrong' }, 401, 'unauthenticated'],
    [
      'a header that is no bearer token',
      'GET',
      '/runs',
      { token: null, headers: { authorization: 'Basic eDp5' } },
      401,
      'unauthenticated',
    ],
    [
      'JSON that is none',
      'POST',
      '/runs',
      { raw: '{', headers: { 'content-type': 'application/json' } },
      400,
      'invalid_request',
    ],
    [
      'a definition that is no JSON',
      'POST',
      '/agents',
      { raw: '{', headers: { 'content-type': 'application/json' } },
      400,
      'invalid_request',
    ],
    ['a definition that is a list', 'POST', '/agents', { body: [] }, 400, 'invalid_request'],
    ['no body', 'POST', '/runs', {}, 400, 'invalid_request'],
    [
      'another content type',
      'POST',
      '/runs',
      { raw: 'x', headers: { 'content-type': 'text/plain' } },
      415,
      'unsupported_media_type',
    ],
    [
      'a definition of another content type',
      'POST',
      '/agents',
      { raw: 'x', headers: { 'content-type': 'text/plain' } },
      415,
      'unsupported_media_type',
    ],
    [
      'a configuration of another content type',
      'POST',
      '/config/plan',
      { raw: 'x', headers: { 'content-type': 'image/png' } },
      415,
      'unsupported_media_type',
    ],
    [
      'a body too large',
      'POST',
      '/runs',
      { body: { agent: 'echo', prompt: 'x'.repeat(1_000) } },
      413,
      'body_too_large',
    ],
    ['a cursor of somebody else', 'GET', '/runs?cursor=!!!', {}, 400, 'invalid_cursor'],
    ['a limit that is none', 'GET', '/runs?limit=0', {}, 400, 'invalid_request'],
    ['a limit that is no number', 'GET', '/runs?limit=1e1', {}, 400, 'invalid_request'],
    ['a time without a zone', 'GET', '/runs?since=2026-01-01', {}, 400, 'invalid_request'],
    ['an agent that is not there', 'POST', '/runs', { body: { agent: 'nobody', prompt: 'x' } }, 404, 'agent_not_found'],
    ['a session that is not there', 'GET', '/sessions/ses_none', {}, 404, 'session_not_found'],
    ['an approval that is not there', 'GET', '/approvals/apr_none', {}, 404, 'approval_not_found'],
    ['a file that is not there', 'GET', '/files/fil_none/content', {}, 404, 'file_not_found'],
    ['a token that is not there', 'DELETE', '/tokens/tok_none', {}, 404, 'token_not_found'],
    ['a runtime that is not there', 'POST', '/runtimes/none/check', {}, 404, 'runtime_not_found'],
    ['a schedule that is not there', 'POST', '/schedules/none/run', {}, 404, 'schedule_not_found'],
    ['a name that is taken', 'POST', '/agents', { body: { name: 'echo', runtime: 'scripted' } }, 409, 'name_taken'],
    [
      'a key with a space',
      'POST',
      '/runs',
      { body: { agent: 'echo', prompt: 'x' }, headers: { 'idempotency-key': 'a b' } },
      400,
      'invalid_request',
    ],
    [
      'a file without a name',
      'POST',
      '/files',
      { raw: 'x', headers: { 'content-type': 'text/plain' } },
      400,
      'invalid_request',
    ],
  ] as const)('for %s', async (_, method, path, request, status, code) => {
    const answer = await rest.call<ErrorBody>(method, path, request)
    expect(answer.status).toBe(status)
    expect(answer.body.error.code).toBe(code)
    expect(answer.body.error.hint).not.toBe('')
  })

  test('of a fault tells nothing of it to the caller, and all of it to the log', async () => {
    const broken = { ...rest.core, usage: () => Promise.reject(new Error('password=hunter2 of the database')) }
    const { webApp } = await import('./app.ts')
    const app = webApp(broken, { log: { info: log('info'), warn: log('warn'), error: log('error') } })
    const response = await app.request('/api/v1/usage', { headers: { authorization: `Bearer ${rest.token}` } })
    const text = await response.text()
    expect(response.status).toBe(500)
    expect(text).not.toContain('hunter2')
    const { error } = JSON.parse(text) as ErrorBody
    expect(lines.some((line) => line.includes(error.request_id) && line.includes('of the database'))).toBe(true)
  })

  test('says which methods a path takes, and how to sign in', async () => {
    expect((await rest.call('PUT', '/runs')).headers.get('allow')).toBe('POST, GET, HEAD')
    expect((await rest.call('GET', '/runs', { token: null })).headers.get('www-authenticate')).toContain('Bearer')
  })
})

describe('a request', () => {
  test('keeps its own id where that is safe to log, and gets one where it is not', async () => {
    const own = await rest.call('GET', '/me', { headers: { 'x-request-id': 'my-id-1' } })
    expect(own.headers.get('x-request-id')).toBe('my-id-1')
    const odd = await rest.call('GET', '/me', { headers: { 'x-request-id': 'a"} fake line' } })
    expect(odd.headers.get('x-request-id')).toMatch(/^req_/)
  })

  test('for another host is refused, so that no page elsewhere reaches a hub on this computer', async () => {
    const asked = (host: string, path = '/api/v1/me') =>
      rest.app.request(`http://${host}${path}`, { headers: { authorization: `Bearer ${rest.token}` } })
    expect((await asked('evil.example')).status).toBe(403)
    expect((await asked('evil.example', '/')).status).toBe(403)
    expect((await asked('localhost.evil.example:4000')).status).toBe(403)
    for (const host of ['localhost:4000', '127.0.0.1:4000', '[::1]:4000', 'hub.example']) {
      expect((await asked(host)).status, host).toBe(200)
    }
    expect((await asked('10.1.2.3:4000', '/healthz')).status).toBe(200)
  })

  test('leaves no token in the log', async () => {
    await rest.call('GET', '/me')
    await rest.call('GET', '/me', { token: `${rest.token}x` })
    const made = await rest.call<{ token: string }>('POST', '/tokens', { body: { name: 'seen' } })
    expect(lines.length).toBeGreaterThan(3)
    expect(lines.join('\n')).not.toContain(rest.token)
    expect(lines.join('\n')).not.toContain(made.body.token)
  })
})

test('every answer carries the headers that keep a browser from misusing it', async () => {
  for (const path of ['/api/v1/me', '/login', '/docs', '/nowhere', '/openapi.json']) {
    const { headers } = await rest.app.request(path)
    expect(headers.get('content-security-policy'), path).toContain("frame-ancestors 'none'")
    expect(headers.get('content-security-policy'), path).not.toContain('unsafe')
    expect(headers.get('x-content-type-options'), path).toBe('nosniff')
    expect(headers.get('referrer-policy'), path).toBe('same-origin')
  }
})

describe('the cookie of the pages', () => {
  const cookie = () => `signalbox_token=${rest.token}`
  const post = (headers: Record<string, string>) =>
    rest.app.request('http://localhost:4000/api/v1/tokens', {
      method: 'POST',
      headers: { cookie: cookie(), 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ name: 'by cookie' }),
    })

  test('reads the API', async () => {
    expect((await rest.app.request('/api/v1/me', { headers: { cookie: cookie() } })).status).toBe(200)
  })

  test('changes something only from a page of this hub', async () => {
    expect((await post({})).status).toBe(403)
    expect((await post({ origin: 'http://evil.example' })).status).toBe(403)
    expect((await post({ origin: 'http://localhost:5000' })).status).toBe(403)
    expect((await post({ origin: 'null' })).status).toBe(403)
    expect((await post({ origin: 'http://localhost:4000' })).status).toBe(201)
    expect((await post({ 'sec-fetch-site': 'same-origin' })).status).toBe(201)
  })
})

describe('what describes the hub', () => {
  test('the docs page and all that it loads come from the hub itself', async () => {
    const page = await (await rest.app.request('/docs')).text()
    const urls = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url!)
    expect(urls.length).toBeGreaterThan(3)
    for (const url of urls) {
      expect(url).toMatch(/^\//)
      const asset = await rest.app.request(url)
      expect(asset.status, url).toBe(200)
      if (url.startsWith('/assets/')) expect(asset.headers.get('cache-control')).toContain('immutable')
    }
  })

  test('files are served by their hash only, and packed for who can unpack', async () => {
    const page = await (await rest.app.request('/login')).text()
    const url = /"(\/assets\/[^"]+pico\.css)"/.exec(page)![1]!
    const packed = await rest.app.request(url, { headers: { 'accept-encoding': 'gzip, br' } })
    expect(packed.headers.get('content-encoding')).toBe('gzip')
    expect((await rest.app.request(url.replace(/[0-9a-f]{12}/, '000000000000'))).status).toBe(404)
    expect((await rest.app.request('/assets/000000000000/..%2fpackage.json')).status).toBe(404)
    expect((await rest.app.request('/assets/000000000000/constructor')).status).toBe(404)
  })

  test('an error is a page for a browser and JSON for a program', async () => {
    const page = await rest.app.request('/nowhere', { headers: { accept: 'text/html,*/*' } })
    expect(page.status).toBe(404)
    expect(await page.text()).toContain('There is nothing at /nowhere.')
    const api = await rest.app.request('/api/v1/nowhere', { headers: { accept: 'text/html' } })
    expect(api.headers.get('content-type')).toContain('application/json')
  })
})
