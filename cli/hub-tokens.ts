import { hostname } from 'node:os'
import type { HubCore } from '../core/index.ts'

/**
 * The token of hub.json, new at every start: the ones of earlier starts on this data folder (left by a crash) are revoked.
 * `admin` is a token for the person, made once in the life of the database; null later.
 */
export async function makeTokens(
  core: HubCore,
  dataDir: string,
): Promise<{ local: string; localId: string; admin: string | null }> {
  const actor = await core.admin()
  const known = await core.tokens.list(actor)
  const name = `hub.json of ${hostname()}:${dataDir}`
  for (const token of known) if (token.name === name) await core.tokens.revoke(actor, token.id)
  const local = await core.tokens.create(actor, { name })
  core.keepSecret(local.token, 'signalbox_token')
  if (known.length > 0) return { local: local.token, localId: local.id, admin: null }
  const admin = await core.tokens.create(actor, { name: 'first start' })
  core.keepSecret(admin.token, 'signalbox_token')
  return { local: local.token, localId: local.id, admin: admin.token }
}
