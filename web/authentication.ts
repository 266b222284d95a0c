import type { Context, MiddlewareHandler } from 'hono'
import { getCookie } from 'hono/cookie'
import { type Actor, type Core, HubError } from '../core/index.ts'
import type { WebEnv } from './env.ts'

/** Holds the token of a person who logged in on the pages; HttpOnly, SameSite=Strict. */
export const SESSION_COOKIE = 'signalbox_token'

/**
 * Who asks: a bearer token, or the cookie of the pages. With the cookie, whatever changes something has to come from a
 * page of this hub, since a browser sends cookies along with requests that other pages made up.
 */
export function authentication(core: Core): MiddlewareHandler<WebEnv> {
  return async (c, next) => {
    c.set('actor', await actorOf(core, c))
    await next()
  }
}

async function actorOf(core: Core, c: Context<WebEnv>): Promise<Actor> {
  const header = c.req.header('authorization')
  if (header !== undefined) {
    const [, token] = /^Bearer +([\x21-\x7e]+) *$/i.exec(header) ?? []
    if (token === undefined) throw new HubError('unauthenticated', 'The authorization header is not `Bearer <token>`.')
    const cli = c.req.header('user-agent')?.startsWith('signalbox-cli/')
    return await core.authenticate(token, cli ? 'cli' : 'rest')
  }
  const cookie = getCookie(c, SESSION_COOKIE)
  if (cookie !== undefined) {
    requireSameOrigin(c)
    return await core.authenticate(cookie, 'web')
  }
  throw new HubError('unauthenticated', 'The request carries no token.')
}

/** Throws forbidden when a request that may change something does not come from a page of this hub. */
export function requireSameOrigin(c: Context): void {
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return
  const origin = c.req.header('origin')
  const own = new URL(c.req.url).host
  const same = origin === undefined ? c.req.header('sec-fetch-site') === 'same-origin' : hostOf(origin) === own
  if (!same) {
    throw new HubError('forbidden', 'A request with the cookie of the pages must come from a page of this hub.', {
      hint: 'Programs send `Authorization: Bearer <token>` instead of the cookie.',
    })
  }
}

function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null
}
