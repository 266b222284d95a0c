import type { Hook } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type * as z from 'zod'
import { type Core, type ErrorBody, faultTrace, HubError, type Log, toErrorBody } from '../core/index.ts'
import type { WebEnv } from './env.ts'

type Answer = (error: unknown, c: Context<WebEnv>) => Response | Promise<Response>

/**
 * The one answer to everything thrown at this door: a refusal as it is, a fault logged with its stack and told without
 * it. Programs get JSON, a browser that wants a page gets `page`.
 */
export function answerError(core: Core, log: Log, page: (body: ErrorBody) => string | Promise<string>): Answer {
  return (thrown, c) => {
    const error = thrown instanceof HTTPException ? fromHttp(thrown) : thrown
    const requestId = c.get('requestId')
    const { status, body } = toErrorBody(error, requestId)
    if (body.error.code === 'internal') {
      const cause = faultTrace(error)
      log.error('request failed', {
        request_id: requestId,
        method: c.req.method,
        path: c.req.path,
        error: core.scrub(cause),
      })
    }
    if (status === 401) c.header('www-authenticate', 'Bearer realm="signalbox"')
    if (status === 429 || status === 503) c.header('retry-after', '5')
    // The table of errors holds HTTP statuses that have a body; hono's type lists them one by one.
    const httpStatus = status as 400
    return wantsPage(c) ? c.html(page(body), httpStatus) : c.json(body, httpStatus)
  }
}

/** Answered, not thrown: a thrown one would hide from the check for a wrong method that only the method was wrong. */
export const answerNotFound =
  (answer: Answer) =>
  (c: Context<WebEnv>): Response | Promise<Response> =>
    answer(new HubError('not_found', `There is nothing at ${c.req.path}.`), c)

const wantsPage = (c: Context): boolean =>
  !c.req.path.startsWith('/api/') && (c.req.header('accept') ?? '').includes('text/html')

/** What hono and the validators throw by themselves, in our words. */
function fromHttp(exception: HTTPException): unknown {
  const { status, message } = exception
  if (status === 400) return new HubError('invalid_request', `The body cannot be read: ${message}.`)
  if (status === 413) return new HubError('body_too_large', 'The body is larger than this route takes.')
  if (status === 415)
    return new HubError('unsupported_media_type', 'This route does not take a body of that content type.')
  return exception
}

const PLACES = {
  json: 'body',
  form: 'body',
  query: 'query',
  param: 'path',
  header: 'header',
  cookie: 'cookie',
} as const

// biome-ignore lint/suspicious/noExplicitAny: the hook of zod-openapi is typed over every route at once
export const refuseInvalid: Hook<any, WebEnv, any, any> = (result) => {
  if (!result.success) throw invalidRequest(PLACES[result.target], result.error)
}

/** All problems of one part of a request at once; `details` is a list of {path, message}. */
export function invalidRequest(place: string, error: z.ZodError): HubError {
  const details = error.issues.map((issue) => ({
    path: [place, ...issue.path.map(String)].join('.'),
    message: issue.message.endsWith('received undefined') ? 'is required' : issue.message,
  }))
  const listed = details.map(({ path, message }) => `${path}: ${message}`).join('; ')
  return new HubError('invalid_request', `The request is not valid: ${listed}`, { details })
}
