import type { MiddlewareHandler } from 'hono'
import type { Log } from '../core/index.ts'
import type { WebEnv } from './env.ts'

const QUIET = /^\/(assets\/|healthz$|readyz$)/

/** One line an answer, when its head is ready: a stream's line does not wait for its end. No query, no body, no token. */
export function requestLog(log: Log): MiddlewareHandler<WebEnv> {
  return async (c, next) => {
    const startedAt = performance.now()
    await next()
    if (QUIET.test(c.req.path)) return
    log.info('request', {
      request_id: c.get('requestId'),
      method: c.req.method,
      path: c.req.path,
      status: c.res.status,
      ms: Math.round(performance.now() - startedAt),
    })
  }
}
