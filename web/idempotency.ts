import { createHash } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { type Core, HubError, newId, type Run } from '../core/index.ts'
import type { WebEnv } from './env.ts'

/** Marks the answer to a repeated request. */
const REPLAYED = 'idempotent-replayed'

/** The key of a request as core gets it: with this door's prefix and the asker's id, so that no two people share one. */
function requestKey(c: Context<WebEnv>): string | undefined {
  const key = c.req.header('idempotency-key')
  if (key === undefined) return undefined
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new HubError('invalid_request', 'header.idempotency-key: must be 1 to 255 visible ASCII characters')
  }
  return `rest:${c.get('actor').userId}:${key}`
}

/**
 * Answers a POST with an Idempotency-Key once: a repeat gets the stored status and body, another request under the same
 * key is refused, and what failed leaves the key free. Routes that settle repeats themselves are let through.
 */
export function idempotency(core: Core, settledElsewhere: (path: string) => boolean): MiddlewareHandler<WebEnv> {
  return async (c, next) => {
    if (c.req.method !== 'POST' || settledElsewhere(c.req.path) || c.req.header('idempotency-key') === undefined) {
      return await next()
    }
    return await once(core, c, [await c.req.text()], async () => {
      await next()
      const { status } = c.res
      if (status >= 400) return null
      return { status, body: status === 204 ? null : await c.res.clone().json() }
    })
  }
}

/**
 * Starts a run for a request that may be a repeat: core knows by the request's key, and answers the first run. When
 * that run was there before this request was, the answer is marked as a replay.
 */
export async function startOnce(
  c: Context<WebEnv>,
  start: (options: { requestKey?: string }) => Promise<Run>,
): Promise<Run> {
  const key = requestKey(c)
  if (key === undefined) return await start({})
  const arrived = timeOf(newId('run'))
  const run = await start({ requestKey: key })
  if (timeOf(run.id) < arrived) c.header(REPLAYED, 'true')
  return run
}

/** Ids begin with the time they were made at, in characters that sort. */
const timeOf = (id: string): string => id.slice(0, 'run_'.length + 10)

type Answer = { status: number; body: unknown }

/**
 * Does `work` once for this request's key; `parts` is what makes two requests the same, besides method and path.
 * `work` answers by itself and returns what a repeat shall get, or null when nothing was changed.
 */
export async function once(
  core: Core,
  c: Context<WebEnv>,
  parts: (string | Uint8Array)[],
  work: () => Promise<Answer | null>,
): Promise<Response | undefined> {
  const key = requestKey(c)
  if (key === undefined) {
    await work()
    return undefined
  }
  const hash = createHash('sha256').update(`${c.req.method} ${c.req.path}\n`)
  for (const part of parts) hash.update(String(part.length)).update('\n').update(part)
  const begun = await core.idempotency.begin(key, hash.digest('hex'))
  if (begun.replay) {
    c.header(REPLAYED, 'true')
    // What was answered before is an answer of this route.
    return begun.status === 204 ? c.body(null, 204) : c.json(begun.response as object, begun.status as 200)
  }
  let answer: Answer | null
  try {
    answer = await work()
  } catch (error) {
    await core.idempotency.abandon(key)
    throw error
  }
  if (answer === null) await core.idempotency.abandon(key)
  else await core.idempotency.finish(key, answer.status, answer.body)
  return undefined
}
