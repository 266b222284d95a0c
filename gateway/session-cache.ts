import { createHash } from 'node:crypto'
import type { Core } from '../core/index.ts'

export type ModelSession = Awaited<ReturnType<Core['gateway']['session']>>

/** How long a stopped run's token may still be taken for live. */
const MAX_AGE_MS = 2_000
const MAX_ENTRIES = 10_000

/**
 * What a session token stands for, asked of core at most every 2 s per token, since a harness makes many calls in a row.
 * Refusals are not kept. Rejects as core does: HubError `unauthenticated`.
 */
export function sessionCache(
  lookUp: (token: string) => Promise<ModelSession>,
  now: () => number = Date.now,
): (token: string) => Promise<ModelSession> {
  const known = new Map<string, { session: Promise<ModelSession>; until: number }>()
  return (token) => {
    // By its hash, so that no token stays in memory longer than its call.
    const key = createHash('sha256').update(token).digest('base64')
    const held = known.get(key)
    if (held && held.until > now()) return held.session
    if (known.size >= MAX_ENTRIES) known.clear()
    const session = lookUp(token)
    const entry = { session, until: now() + MAX_AGE_MS }
    known.set(key, entry)
    session.catch(() => {
      if (known.get(key) === entry) known.delete(key)
    })
    return session
  }
}
