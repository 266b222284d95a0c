import type { Context, MiddlewareHandler } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { type Core, type ErrorBody, HubError, isTerminal, RunStatus, toErrorBody } from '../../core/index.ts'
import type { Assets } from '../assets.ts'
import { requireSameOrigin, SESSION_COOKIE } from '../authentication.ts'
import type { Api, WebEnv } from '../env.ts'
import { EVENT_STREAM_HEADERS } from '../event-stream.ts'
import { liveRun } from './live.tsx'
import { loginPage } from './login.tsx'
import { type Filter, RunList, runListPage } from './run-list.tsx'
import { RunPanel, runPage } from './run-page.tsx'
import { createTranscript } from './transcript.ts'

type PageOptions = { assets: Assets; heartbeatMs: number; publicUrl: string | undefined }

const THIRTY_DAYS_SECONDS = 30 * 86_400

/** The pages for people: `/`, `/runs/{id}`, `/login`, and what their forms post to. */
export function pages(app: Api, core: Core, { assets, heartbeatMs, publicUrl }: PageOptions): void {
  const signedIn = signIn(core)

  app.get('/login', (c) => c.html(loginPage(assets, { next: localPath(c.req.query('next')) })))

  app.post('/login', async (c) => {
    requireSameOrigin(c)
    const form = await fields(c)
    const given = form.token?.trim() ?? ''
    const target = localPath(form.next)
    try {
      await core.authenticate(given, 'web')
    } catch (error) {
      if (!(error instanceof HubError) || error.code !== 'unauthenticated') throw error
      return c.html(loginPage(assets, { next: target, problem: error.message }), 401)
    }
    const secure = publicUrl?.startsWith('https:') ?? false
    setCookie(c, SESSION_COOKIE, given, {
      httpOnly: true,
      sameSite: 'Strict',
      path: '/',
      secure,
      maxAge: THIRTY_DAYS_SECONDS,
    })
    return c.redirect(target, 303)
  })

  app.post('/logout', (c) => {
    requireSameOrigin(c)
    deleteCookie(c, SESSION_COOKIE, { path: '/' })
    return c.redirect('/login', 303)
  })

  app.get('/', signedIn, async (c) => {
    const actor = c.get('actor')
    const [list, agents] = await Promise.all([readList(core, c), core.agents.list(actor, { limit: 200 })])
    return c.html(runListPage(assets, actor.name, agents.data, list))
  })

  app.get('/fragments/runs', signedIn, async (c) => c.html(<RunList {...(await readList(core, c))} />))

  app.get('/runs/:id', signedIn, async (c) => {
    const actor = c.get('actor')
    const id = c.req.param('id')
    const transcript = createTranscript()
    let after = 0
    for (let more = true; more; ) {
      const page = await core.runs.events(actor, id, { after, limit: 1_000 })
      for (const event of page.events) transcript.apply(event)
      after = page.next_after
      more = page.events.length === 1_000
    }
    // Read after its log: what the log misses of it comes with the events that are followed from there.
    const [run, files] = await Promise.all([core.runs.get(actor, id), core.runs.artifacts(actor, id)])
    const over = isTerminal(run.status) && after >= run.last_seq
    return c.html(runPage(assets, actor.name, { run, now: new Date(), blocks: transcript.blocks, files, after, over }))
  })

  app.get('/runs/:id/live', signedIn, async (c) => {
    const actor = c.get('actor')
    const run = await core.runs.get(actor, c.req.param('id'))
    const after = Number.parseInt(c.req.header('last-event-id') ?? c.req.query('after') ?? '0', 10) || 0
    return c.body(liveRun(core, actor, run.id, after, heartbeatMs), 200, EVENT_STREAM_HEADERS)
  })

  app.post('/runs/:id/stop', signedIn, async (c) => {
    const id = c.req.param('id')
    return await act(core, c, id, async () => await core.runs.stop(c.get('actor'), id))
  })

  app.post('/runs/:id/answer', signedIn, async (c) => {
    const id = c.req.param('id')
    const { prompt = '' } = await fields(c)
    return await act(core, c, id, async () => {
      if (prompt.trim() === '') throw new HubError('invalid_request', 'The answer is empty.')
      const run = await core.runs.get(c.get('actor'), id)
      return await core.sessions.send(c.get('actor'), run.session_id, { prompt })
    })
  })

  app.post('/approvals/:id/decision', signedIn, async (c) => {
    const { option_id = '', note = '', run_id = '' } = await fields(c)
    const said = note.trim() === '' ? {} : { note: note.trim() }
    const decide = () => core.approvals.decide(c.get('actor'), c.req.param('id'), { option_id, ...said })
    return await act(core, c, run_id, decide)
  })
}

/** The text fields of a form; files are none. */
async function fields(c: Context): Promise<Record<string, string | undefined>> {
  const form = await c.req.parseBody()
  return Object.fromEntries(
    Object.entries(form).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

/** Who looks at a page; without a valid cookie, the way to the login page. */
function signIn(core: Core): MiddlewareHandler<WebEnv> {
  return async (c, next) => {
    const cookie = getCookie(c, SESSION_COOKIE)
    if (cookie !== undefined) requireSameOrigin(c)
    try {
      c.set('actor', await core.authenticate(cookie, 'web'))
    } catch (error) {
      if (!(error instanceof HubError) || error.code !== 'unauthenticated') throw error
      return askToLogIn(c, cookie === undefined)
    }
    c.header('cache-control', 'no-store')
    await next()
  }
}

function askToLogIn(c: Context<WebEnv>, withoutCookie: boolean): Response | Promise<Response> {
  const { pathname, search } = new URL(c.req.url)
  const isPage = c.req.method === 'GET' && !/^\/fragments\/|\/live$/.test(pathname)
  // A strict cookie stays away when a link on another site leads here; asking again from here brings it along.
  if (isPage && withoutCookie && c.req.header('sec-fetch-site') === 'cross-site') {
    const again = <meta http-equiv="refresh" content={`0;url=${pathname}${search}`} />
    return c.html(again)
  }
  const login = `/login?next=${encodeURIComponent(isPage ? pathname + search : '/')}`
  if (c.req.header('hx-request') === undefined) return c.redirect(login, 303)
  c.header('hx-redirect', login)
  return c.body(null, 401)
}

/** Does what a form asked for, then shows the run: the panel to htmx, the whole page to a plain form. */
async function act(core: Core, c: Context<WebEnv>, runId: string, work: () => Promise<unknown>): Promise<Response> {
  let notice: { error: ErrorBody['error']; status: number } | undefined
  try {
    await work()
  } catch (error) {
    if (!(error instanceof HubError)) throw error
    const { body, status } = toErrorBody(error, c.get('requestId'))
    notice = { error: body.error, status }
    if (c.req.header('hx-request') === undefined) throw error
  }
  if (c.req.header('hx-request') === undefined) return c.redirect(`/runs/${encodeURIComponent(runId)}`, 303)
  const run = await core.runs.get(c.get('actor'), runId)
  const panel = <RunPanel run={run} now={new Date()} {...(notice === undefined ? {} : { notice: notice.error })} />
  // The table of errors holds HTTP statuses that have a body; hono's type lists them one by one.
  return c.html(panel, (notice?.status ?? 200) as 200)
}

async function readList(core: Core, c: Context<WebEnv>) {
  const { agent, session_id, cursor } = c.req.query()
  const status = RunStatus.safeParse(c.req.query('status')).data
  const filter: Filter = {
    ...(agent ? { agent } : {}),
    ...(session_id ? { session_id } : {}),
    ...(cursor ? { cursor } : {}),
    ...(status ? { status } : {}),
  }
  const runs = await core.runs.list(c.get('actor'), { ...filter, limit: 50 })
  return { runs, filter, now: new Date() }
}

/** A path on this hub and nothing else: `next` comes from a URL that anybody may have written. */
function localPath(next: string | undefined): string {
  return next !== undefined && /^\/(?![/\\])[\x21-\x7e]*$/.test(next) ? next : '/'
}
