import { OpenAPIHono } from '@hono/zod-openapi'
import type { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { requestId } from 'hono/request-id'
import { type Core, HubError, newId, toErrorBody } from '../core/index.ts'
import { agents } from './api/agents.ts'
import { approvals } from './api/approvals.ts'
import { config } from './api/config.ts'
import { files } from './api/files.ts'
import { health } from './api/health.ts'
import { me } from './api/me.ts'
import { runs } from './api/runs.ts'
import { runtimeCallbacks, runtimes } from './api/runtimes.ts'
import { schedules } from './api/schedules.ts'
import { sessions } from './api/sessions.ts'
import { tokens } from './api/tokens.ts'
import { usage } from './api/usage.ts'
import { createAssets } from './assets.ts'
import { authentication } from './authentication.ts'
import { documents } from './documents.ts'
import type { WebEnv, WebOptions } from './env.ts'
import { answerError, answerNotFound, refuseInvalid } from './errors.ts'
import { idempotency } from './idempotency.ts'
import { nameComponents } from './openapi.ts'
import { errorPage } from './pages/error.tsx'
import { pages } from './pages/pages.tsx'
import { hostCheck, securityHeaders } from './protection.ts'
import { requestLog } from './request-log.ts'

const MiB = 1024 * 1024

/** Core settles repeats of these by the run they started; the other two hold answers that may not be stored as they are. */
const settlesRepeats = (path: string): boolean =>
  /^\/api\/v1\/(runs|sessions\/[^/]+\/messages|schedules\/[^/]+\/run|tokens|files)$/.test(path)

/**
 * Everything that the hub serves over HTTP besides MCP: the REST API under /api/v1, its description, health, and the
 * pages. Other doors may be added to what this returns; they get its request ids, host check and security headers.
 */
export function webApp(core: Core, options: WebOptions): Hono<WebEnv> {
  const { log, maxBodyBytes = 2 * MiB, maxUploadBytes = 32 * MiB, heartbeatMs = 15_000 } = options
  const assets = createAssets()

  const app = new OpenAPIHono<WebEnv>({ defaultHook: refuseInvalid })
  const answer = answerError(core, log, (body) => errorPage(assets, body))
  app.onError(answer)
  app.notFound(answerNotFound(answer))
  app.use(requestId({ limitLength: 128, generator: () => newId('req') }))
  app.use(securityHeaders, requestLog(log), hostCheck(options))
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        const error = new HubError(
          'method_not_allowed',
          `${c.req.path} takes ${methods.join(', ')}, not ${c.req.method}.`,
        )
        return c.json(toErrorBody(error, c.get('requestId')).body, 405, { allow: methods.join(', ') })
      },
    }),
  )

  health(app, core)
  documents(app, { core, assets })
  pages(app, core, { assets, heartbeatMs, publicUrl: options.publicUrl })

  const tooLarge = (): never => {
    throw new HubError('body_too_large', 'The body is larger than this route takes.')
  }
  const limitBody = bodyLimit({ maxSize: maxBodyBytes, onError: tooLarge })
  const limitUpload = bodyLimit({ maxSize: maxUploadBytes, onError: tooLarge })

  const api = new OpenAPIHono<WebEnv>({ defaultHook: refuseInvalid })
  nameComponents(api)
  api.use(async (c, next) => {
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return await next()
    if (!c.req.path.endsWith('/files')) return await limitBody(c, next)
    const inMemory =
      c.req.header('idempotency-key') !== undefined || c.req.header('content-type')?.startsWith('multipart/')
    return inMemory ? await limitUpload(c, next) : await next()
  })
  runtimeCallbacks(api, core)
  api.use(authentication(core), idempotency(core, settlesRepeats))
  runs(api, core, { heartbeatMs })
  sessions(api, core)
  agents(api, core)
  runtimes(api, core)
  schedules(api, core)
  approvals(api, core)
  files(api, core)
  tokens(api, core)
  usage(api, core)
  config(api, core)
  me(api)
  app.route('/api/v1', api)
  return app
}
