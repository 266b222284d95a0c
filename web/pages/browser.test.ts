import { existsSync } from 'node:fs'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Run } from '../../core/index.ts'
import { openRest, type TestRest } from '../../test/rest.ts'
import { serveApp } from '../../test/serve.ts'

const CHROMIUM = process.env.SIGNALBOX_CHROMIUM ?? '/usr/bin/chromium'
const missing = !existsSync(CHROMIUM)
const why = missing ? ` (skipped: there is no ${CHROMIUM}; set SIGNALBOX_CHROMIUM)` : ''

describe.skipIf(missing)(`in Chromium${why}`, () => {
  let rest: TestRest
  let server: Awaited<ReturnType<typeof serveApp>>
  let browser: Browser
  let context: BrowserContext
  let page: Page
  /** What the browser complained about: refused by the content security policy, not found, thrown. */
  let complaints: string[]

  beforeAll(async () => {
    rest = await openRest()
    server = await serveApp(rest.app.fetch)
    const quiet = ['quic', 'background-networking', 'component-update', 'sync', 'gpu'].map(
      (name) => `--disable-${name}`,
    )
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--no-first-run', ...quiet] })
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
    await rest?.close()
  })
  beforeEach(async () => {
    complaints = []
    context = await browser.newContext({ viewport: { width: 390, height: 844 } })
    await context.addCookies([
      { name: 'signalbox_token', value: rest.token, url: server.url, httpOnly: true, sameSite: 'Strict' },
    ])
    page = await context.newPage()
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('dialog', (dialog) => void dialog.accept())
  })
  afterEach(async () => {
    await context.close()
    expect(complaints).toEqual([])
  })

  const start = async (prompt: string, wait_seconds = 0) =>
    (await rest.call<Run>('POST', '/runs', { body: { agent: 'echo', prompt, wait_seconds } })).body
  const sidewaysPixels = () =>
    page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')

  test('a person logs in with a token and sees the runs', async () => {
    await context.clearCookies()
    await page.goto(`${server.url}/`)
    await page.fill('input[name=token]', rest.token)
    await page.click('button[type=submit]')
    await page.waitForURL(`${server.url}/`)
    expect(await page.textContent('h1')).toBe('Runs')
  })

  test('the list shows a new run by itself', async () => {
    await page.goto(`${server.url}/`)
    const run = await start('say:fresh')
    await page.waitForSelector(`#${run.id} .succeeded`)
    expect(await sidewaysPixels()).toBe(0)
  })

  test('the run page shows text as it is written, asks, and goes on after the answer', async () => {
    const run = await start('say:Let_me_look. tool:bash permit:bash say:<i>All</i>__good.', 20)
    await page.goto(`${server.url}/runs/${run.id}`)
    await page.click('details.tool summary')
    await page.fill('input[name=note]', 'fine')
    await page.click('button.allow_once')
    await page.waitForSelector('.status.succeeded')
    expect(await page.textContent('#transcript .said:last-child')).toBe('<i>All</i>  good.')
    expect(await page.locator('.approval').count()).toBe(0)
    expect(await page.locator('details.tool').getAttribute('open')).not.toBeNull()
    expect(await sidewaysPixels()).toBe(0)
  })

  test('a page that was open from the start ends up as one that was opened at the end', async () => {
    const run = await start('permit:bash say:one tool:bash say:two say:three usage:10,20', 20)
    await page.goto(`${server.url}/runs/${run.id}`)
    await rest.call('POST', `/approvals/${run.pending[0]!.id}/decision`, { body: { option_id: 'once' } })
    await page.waitForSelector('.status.succeeded')
    const live = [await page.textContent('#transcript'), await page.textContent('.facts dd:nth-of-type(3)')]
    await page.reload()
    expect(live).toEqual([await page.textContent('#transcript'), await page.textContent('.facts dd:nth-of-type(3)')])
  })

  test('a page goes on where it was when the hub was away for a moment', async () => {
    const run = await start('say:before permit:bash say:after', 20)
    await page.goto(`${server.url}/runs/${run.id}`)
    await page.waitForSelector('.approval')
    const port = Number(new URL(server.url).port)
    await server.close()
    await rest.call('POST', `/approvals/${run.pending[0]!.id}/decision`, { body: { option_id: 'once' } })
    await rest.call('GET', `/runs/${run.id}?wait_seconds=20`)
    server = await serveApp(rest.app.fetch, port)
    await page.waitForSelector('.status.succeeded')
    expect(await page.locator('#transcript .said').allTextContents()).toEqual(['before', 'answer once', 'after'])
    // What the browser said about the hub that was away is as it should be.
    complaints = []
  })

  test('a person stops a run', async () => {
    const run = await start('say:working last')
    await page.goto(`${server.url}/runs/${run.id}`)
    await page.waitForSelector('#transcript >> text=working')
    await page.click('button.stop')
    await page.waitForSelector('.status.cancelled')
    expect(await page.textContent('#outcome')).toContain('The run was stopped.')
  })

  test('a person answers a question', async () => {
    const run = await start('ask:Which_one?', 20)
    await page.goto(`${server.url}/runs/${run.id}`)
    await page.fill('input[name=prompt]', 'the left one')
    await page.click('.answer button')
    await page.waitForSelector('text=answer the left one')
  })

  test('the docs page works with nothing from outside', async () => {
    const outside: string[] = []
    page.on('request', (request) => {
      if (!request.url().startsWith(server.url) && !request.url().startsWith('data:')) outside.push(request.url())
    })
    await page.goto(`${server.url}/docs`)
    await page.waitForSelector('.opblock')
    await page.click('#operations-runs-startRun button')
    await page.waitForSelector('.opblock-body')
    expect(outside).toEqual([])
  })
})
