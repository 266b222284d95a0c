import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Run } from '../../core/index.ts'
import { quiet } from '../../test/core.ts'
import { openRest, type TestRest } from '../../test/rest.ts'
import { webApp } from '../app.ts'

let rest: TestRest
let cookie: string
beforeAll(async () => {
  rest = await openRest()
  cookie = `signalbox_token=${rest.token}`
})
afterAll(async () => {
  await rest.close()
})

const ORIGIN = 'http://localhost:4000'
const get = (path: string, headers: Record<string, string> = { cookie }) =>
  rest.app.request(`${ORIGIN}${path}`, { headers: { accept: 'text/html', ...headers } })
const post = (
  path: string,
  fields: Record<string, string>,
  headers: Record<string, string> = { cookie, origin: ORIGIN },
) =>
  rest.app.request(`${ORIGIN}${path}`, {
    method: 'POST',
    headers: { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields).toString(),
  })
const start = async (prompt: string, wait_seconds = 20) =>
  (await rest.call<Run>('POST', '/runs', { body: { agent: 'echo', prompt, wait_seconds } })).body

describe('signing in', () => {
  test('without a token every page leads to the login page and back', async () => {
    const response = await get('/runs/run_1?x=1', {})
    expect(response.status).toBe(303)
    expect(response.headers.get('location')).toBe('/login?next=%2Fruns%2Frun_1%3Fx%3D1')
    const fragment = await get('/fragments/runs', { 'hx-request': 'true' })
    expect(fragment.status).toBe(401)
    expect(fragment.headers.get('hx-redirect')).toBe('/login?next=%2F')
    expect((await get('/', { cookie: 'signalbox_token=wrong' })).status).toBe(303)
  })

  test('sets a cookie that scripts and other sites do not get', async () => {
    const response = await post('/login', { token: ` ${rest.token} `, next: '/runs/run_1' }, { origin: ORIGIN })
    expect(response.status).toBe(303)
    expect(response.headers.get('location')).toBe('/runs/run_1')
    const set = response.headers.get('set-cookie')!
    for (const part of ['HttpOnly', 'SameSite=Strict', 'Path=/']) expect(set).toContain(part)
    expect((await get('/', { cookie: set.split(';')[0]! })).status).toBe(200)
    const out = await post('/logout', {})
    expect(out.headers.get('set-cookie')).toContain('Max-Age=0')
  })

  test('with a wrong token says so, and does not say the token back', async () => {
    const response = await post('/login', { token: 'sbx_wrong_one' }, { origin: ORIGIN })
    expect(response.status).toBe(401)
    const text = await response.text()
    expect(text).toContain('The token is not known here')
    expect(text).not.toContain('sbx_wrong_one')
  })

  test.each(['//evil.example', '/\\evil.example', 'https://evil.example', 'javascript:alert(1)', '/a b'])(
    'does not lead to %j',
    async (next) => {
      const response = await post('/login', { token: rest.token, next }, { origin: ORIGIN })
      expect(response.headers.get('location')).toBe('/')
    },
  )

  test('a link from another site asks again from here, since a strict cookie stays away', async () => {
    const response = await get('/runs/run_1?a=%22', { 'sec-fetch-site': 'cross-site' })
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('<meta http-equiv="refresh" content="0;url=/runs/run_1?a=%22"/>')
  })

  test('forms of other sites change nothing', async () => {
    const run = await start('last', 0)
    const foreign: Record<string, string>[] = [
      { cookie, origin: 'http://evil.example' },
      { cookie },
      { cookie, origin: 'null' },
    ]
    for (const headers of foreign) {
      expect((await post(`/runs/${run.id}/stop`, {}, headers)).status).toBe(403)
    }
    expect((await post('/login', { token: rest.token }, { origin: 'http://evil.example' })).status).toBe(403)
    expect((await rest.call<Run>('GET', `/runs/${run.id}`)).body.stop_requested_at).toBeNull()
    expect((await post(`/runs/${run.id}/stop`, {})).status).toBe(303)
  })
})

describe('the run page', () => {
  test('shows what was said and done, with all of it escaped', async () => {
    const run = await start('say:<img_src=x_onerror=alert(1)> tool:<b>bash</b> say:<script>alert(1)</script>')
    const page = await (await get(`/runs/${run.id}`)).text()
    expect(page).not.toMatch(/<img src=x|<b>bash|<script>alert/)
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(page).not.toMatch(/<script(?! src="\/assets\/)/)
    expect(page).not.toMatch(/ style="| on[a-z]+="/)
    expect(page).not.toContain('hx-sse:connect')
  })

  test('shows an error with its hint, and usage with its cost', async () => {
    const failed = await start('usage:1500,20 fail:out_of_paper')
    const page = await (await get(`/runs/${failed.id}`)).text()
    expect(page).toContain('out of paper')
    expect(page).toContain(failed.error!.hint.replaceAll("'", '&#39;'))
    expect(page).toContain('1,500 in, 20 out')
    expect(page).toContain('$0.0015')
  })

  test('leads to the files that a run made', async () => {
    const run = await start('say:done')
    const file = await rest.core.files.create(rest.admin, {
      name: 'report.md',
      media_type: 'text/markdown',
      content: Buffer.from('# ok'),
    })
    const made = { ...rest.core, runs: { ...rest.core.runs, artifacts: async () => [file] } }
    const app = webApp(made, { log: quiet })
    const page = await (await app.request(`/runs/${run.id}`, { headers: { cookie } })).text()
    expect(page).toContain(`<a href="/api/v1/files/${file.id}/content">report.md</a>`)
    const content = await app.request(`/api/v1/files/${file.id}/content`, { headers: { cookie } })
    expect(await content.text()).toBe('# ok')
  })

  test('of a run that is not there is a page that says so', async () => {
    const response = await get('/runs/run_none')
    expect(response.status).toBe(404)
    expect(await response.text()).toContain('There is no run run_none.')
  })

  test('its forms work without scripts', async () => {
    const asked = await start('permit:bash')
    const page = await (await get(`/runs/${asked.id}`)).text()
    expect(page).toContain('May I use bash?')
    const decided = await post(`/approvals/${asked.pending[0]!.id}/decision`, {
      run_id: asked.id,
      option_id: 'once',
      note: ' ok ',
    })
    expect(decided.headers.get('location')).toBe(`/runs/${asked.id}`)
    const { body } = await rest.call('GET', `/approvals/${asked.pending[0]!.id}`)
    expect(body).toMatchObject({ status: 'decided', option_id: 'once', note: 'ok' })
    const question = await start('ask:which?')
    await post(`/runs/${question.id}/answer`, { prompt: 'the first' })
    await vi.waitFor(async () => {
      expect((await rest.call<Run>('GET', `/runs/${question.id}`)).body.output).toBe('answer the first')
    })
  })

  test('a form that came too late is told so in its place', async () => {
    const run = await start('say:x')
    const response = await post(`/runs/${run.id}/stop`, {}, { cookie, origin: ORIGIN, 'hx-request': 'true' })
    expect(response.status).toBe(409)
    const fragment = await response.text()
    expect(fragment).toContain('run_finished')
    expect(fragment).not.toContain('<html')
  })
})

describe('the changes of the run page', () => {
  const live = async (run: Run, after: number) => await (await get(`/runs/${run.id}/live?after=${after}`)).text()

  test('from any point on say each word once and end the stream', async () => {
    const run = await start('say:alpha tool:bash say:omega')
    for (let after = 0; after <= run.last_seq; after++) {
      const { events } = (
        await rest.call<{ events: { type: string; delta?: string }[] }>('GET', `/runs/${run.id}/events?after=${after}`)
      ).body
      const said = events.filter(({ type }) => type === 'TEXT_MESSAGE_CONTENT').map(({ delta }) => delta)
      const text = await live(run, after)
      for (const word of ['alpha', 'omega']) {
        expect(text.replace(/#run[\s\S]*?<\/hx-partial>/g, '').split(word).length - 1).toBe(
          said.filter((delta) => delta === word).length,
        )
      }
      expect(text.trimEnd().endsWith('event: over\ndata: over')).toBe(true)
    }
  })

  test('survive every kind of line end', async () => {
    const run = await start('say:one\rtwo\r\nthree\nfour')
    const text = await live(run, 0)
    for (const line of text.split('\n')) expect(line).toMatch(/^$|^(id|data|event|retry): /)
    expect(text).not.toContain('\r')
  })
})

describe('the list', () => {
  test('shows runs newest first, by status and agent, and leads to older ones', async () => {
    for (let i = 0; i < 3; i++) await start(`say:number_${i}`)
    const page = await (await get('/?status=succeeded')).text()
    expect(page.indexOf('say:number_2')).toBeLessThan(page.indexOf('say:number_0'))
    expect(await (await get('/?agent=echo&status=queued')).text()).toContain('No runs like that.')
    expect(await (await get('/?status=nonsense')).text()).toContain('say:number_2')
    expect((await get('/?cursor=nonsense!')).status).toBe(400)
    const fragment = await (await get('/fragments/runs?status=succeeded')).text()
    expect(fragment.startsWith('<section id="runs"')).toBe(true)
  })

  test('says how to begin when there is nothing', async () => {
    const empty = await openRest({ worker: false })
    const response = await empty.app.request('/', { headers: { cookie: `signalbox_token=${empty.token}` } })
    expect(await response.text()).toContain('No runs yet.')
    await empty.close()
  })
})
