/** The MCP control server: people's MCP clients call, watch, steer, stop and approve agents through it. */
import type { AuthInfo, ServerContext } from '@modelcontextprotocol/server'
import type { Hono } from 'hono'
import { type Actor, type Core, faultMessage, HubError, type Log, newId, toErrorBody } from '../core/index.ts'
import { createCatalogue } from './catalogue.ts'
import { mcpEndpoint } from './endpoint.ts'
import { hubServer } from './hub-server.ts'
import type { Principal, SessionLimits } from './sessions.ts'
import { createSubscriptions } from './subscriptions.ts'

/** Resources that one stream of changes may ask for. */
const MAX_LISTENED = 100

export type McpOptions = {
  log: Log
  version: string
  /** Host names, beside those of this machine and of `publicUrl`, under which the hub is reached; `*`: any. */
  allowedHosts?: string[]
  publicUrl?: string
  sessions?: Partial<SessionLimits>
}

/**
 * Serves /mcp (streamable HTTP): 2026-07-28 without sessions, 2025-11-25 and older with them. Every request carries a bearer
 * token; a session answers only who opened it. `close` ends sessions, streams and watches; core stays open.
 */
export function mcpApp(core: Core, options: McpOptions): Hono & { close: () => Promise<void> } {
  const { log, version, publicUrl } = options
  const catalogue = createCatalogue()
  const subscriptions = createSubscriptions(core, log)
  const endpoint = mcpEndpoint({
    build: (request) => hubServer({ core, log, version, catalogue, subscriptions, actorOf }, request),
    authenticate: (request) => authenticate(core, log, request),
    listen: async (principal, uris) => {
      const granted = await Promise.all(uris.slice(0, MAX_LISTENED).map((uri) => tryListen(principal, uri)))
      const open = granted.filter((grant) => grant !== undefined)
      return {
        uris: open.map(({ uri }) => uri),
        end: () => {
          for (const { unsubscribe } of open) unsubscribe()
        },
      }
    },
    log,
    allowedHosts: [...(options.allowedHosts ?? []), ...(publicUrl ? [new URL(publicUrl).hostname] : [])],
    ...(options.sessions ? { sessions: options.sessions } : {}),
  })

  /** The specification lets a server grant fewer than asked for: what cannot be listened to is left out of its acknowledgement. */
  async function tryListen(principal: Principal, uri: string) {
    const actor = actorIn(principal.authInfo)
    if (!actor) return undefined
    try {
      return {
        uri,
        unsubscribe: await subscriptions.subscribe(actor, uri, (changed) => endpoint.notify.resourceUpdated(changed)),
      }
    } catch (error) {
      if (error instanceof HubError) return undefined
      throw error
    }
  }

  const close = async () => {
    subscriptions.close()
    await endpoint.close()
  }
  return Object.assign(endpoint.app, { close })
}

async function authenticate(core: Core, log: Log, request: Request): Promise<Principal | Response> {
  const token = /^Bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  try {
    const actor = await core.authenticate(token, 'mcp')
    // The token itself stays here: handlers need to know who asks, not with what.
    return { id: actor.userId, authInfo: { token: '', clientId: actor.userId, scopes: [], extra: { actor } } }
  } catch (error) {
    const { status, body } = toErrorBody(error, newId('req'))
    if (!(error instanceof HubError))
      log.error('mcp authentication failed', { request_id: body.error.request_id, error: faultMessage(error) })
    const challenge = token ? 'Bearer realm="signalbox", error="invalid_token"' : 'Bearer realm="signalbox"'
    return Response.json(body, { status, headers: status === 401 ? { 'www-authenticate': challenge } : {} })
  }
}

function actorOf(context: ServerContext): Actor {
  const actor = actorIn(context.http?.authInfo)
  if (!actor) throw new HubError('unauthenticated', 'The request carries no token.')
  return actor
}

/** Only `authenticate` makes these, and it puts the actor there. */
const actorIn = (authInfo: AuthInfo | undefined): Actor | undefined => authInfo?.extra?.actor as Actor | undefined
