import type { MiddlewareHandler } from 'hono'
import { HubError } from '../core/index.ts'
import type { WebEnv, WebOptions } from './env.ts'

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Headers that every answer carries. `same-origin`, since with `no-referrer` browsers send forms with `Origin: null`. */
export const securityHeaders: MiddlewareHandler<WebEnv> = async (c, next) => {
  c.header('content-security-policy', CONTENT_SECURITY_POLICY)
  c.header('x-content-type-options', 'nosniff')
  c.header('x-frame-options', 'DENY')
  c.header('referrer-policy', 'same-origin')
  c.header('cross-origin-resource-policy', 'same-origin')
  await next()
}

const OWN_NAMES = new Set(['localhost', '127.0.0.1', '[::1]'])
/** Asked by whatever watches the process, by address. */
const OPEN_TO_ANY_HOST = new Set(['/healthz', '/readyz'])

/**
 * Refuses requests that name a host which is not this hub: a page whose own name was made to point at this computer
 * (DNS rebinding) sends its own name.
 */
export function hostCheck(options: Pick<WebOptions, 'allowedHosts' | 'publicUrl'>): MiddlewareHandler<WebEnv> {
  const allowed = new Set(options.allowedHosts?.map((host) => host.toLowerCase()))
  if (options.publicUrl !== undefined) allowed.add(new URL(options.publicUrl).host)
  return async (c, next) => {
    const { host, hostname } = new URL(c.req.url)
    const known = OWN_NAMES.has(hostname) || allowed.has('*') || allowed.has(host) || allowed.has(hostname)
    if (!known && !OPEN_TO_ANY_HOST.has(c.req.path)) {
      throw new HubError('forbidden', `This hub does not answer for the host ${host}.`, {
        hint: 'Use the address that the hub printed at its start, or set SIGNALBOX_PUBLIC_URL to the one you use.',
      })
    }
    await next()
  }
}
