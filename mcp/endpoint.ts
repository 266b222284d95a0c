/** `/mcp` on the wire: both protocol eras on one URL. What is served there, and who may, is given. */
import {
  createMcpHandler,
  isInitializeRequest,
  isJsonContentType,
  isLegacyRequest,
  localhostAllowedHostnames,
  type McpHttpHandler,
  type McpServerFactory,
  readRequestBody,
  validateHostHeader,
  validateOriginHeader,
} from '@modelcontextprotocol/server'
import { Hono } from 'hono'
import type { Log } from '../core/index.ts'
import { longStream } from './long-stream.ts'
import { createSessions, type Principal, type SessionLimits } from './sessions.ts'

const MAX_BODY_BYTES = 4 * 1024 * 1024
const MAX_LISTENERS = 1_024
const SESSION_LIMITS: SessionLimits = { idleMs: 30 * 60_000, max: 2_000, maxPerPrincipal: 200 }

export type EndpointOptions = {
  /** One server for one modern request or one legacy session. */
  build: McpServerFactory
  /** Who makes the request, or the answer that refuses it. */
  authenticate: (request: Request) => Promise<Principal | Response>
  /**
   * Called when a modern client opens a stream of changes: which of the resources it asks for it gets, and what to call when
   * the stream ends. Without it none can be asked for.
   */
  listen?: (principal: Principal, uris: string[]) => Promise<{ uris: string[]; end: () => void }>
  log: Log
  /** Host names, beside those of this machine, under which the hub is reached; `*` for any (DNS rebinding is then not checked). */
  allowedHosts?: string[]
  sessions?: Partial<SessionLimits>
  /** How often an open stream's token is looked at again; 60 seconds. */
  recheckMs?: number
}

export type Endpoint = {
  app: Hono
  /** Tells open streams of modern clients what changed. */
  notify: McpHttpHandler['notify']
  /** Open legacy sessions. */
  sessionCount: () => number
  close: () => Promise<void>
}

export function mcpEndpoint({
  build,
  authenticate,
  listen,
  log,
  allowedHosts = [],
  sessions: limits,
  recheckMs = 60_000,
}: EndpointOptions): Endpoint {
  const onerror = (error: Error) => log.warn('mcp request refused', { error: error.message })
  const modern = createMcpHandler(build, {
    legacy: 'reject',
    maxSubscriptions: MAX_LISTENERS,
    maxRequestBodySize: MAX_BODY_BYTES,
    onerror,
  })
  const sessions = createSessions(build, { ...SESSION_LIMITS, ...limits })
  const hosts = [...localhostAllowedHostnames(), ...allowedHosts]
  const app = new Hono()

  app.all('/mcp', async (c) => {
    const request = c.req.raw
    if (!['GET', 'POST', 'DELETE'].includes(request.method)) {
      return Response.json(rpcError(-32000, 'Method not allowed.'), {
        status: 405,
        headers: { allow: 'GET, POST, DELETE' },
      })
    }
    const stranger = allowedHosts.includes('*') ? undefined : refuseHost(request, hosts)
    if (stranger) return stranger
    const principal = await authenticate(request)
    if (principal instanceof Response) return principal
    const body = request.method === 'POST' ? await readJson(request) : undefined
    if (body instanceof Response) return body
    const parsedBody = body?.json
    if (await isLegacyRequest(request, parsedBody)) return await serveLegacy(principal, request, parsedBody)
    return await serveModern(principal, request, parsedBody)
  })

  function watchOver(response: Response, request: Request, ended: () => void): Response {
    const allowed = async () => !((await authenticate(request)) instanceof Response)
    return longStream(response, { ended, allowed, everyMs: recheckMs })
  }

  async function serveLegacy(principal: Principal, request: Request, parsedBody: unknown): Promise<Response> {
    const id = request.headers.get('mcp-session-id')
    if (id) {
      const response = await sessions.serve(id, principal, request, parsedBody)
      if (response?.ok && request.method === 'GET') return watchOver(response, request, sessions.listens(id))
      // The client then initializes anew, as the specification has it.
      return response ?? Response.json(rpcError(-32001, 'Session not found'), { status: 404 })
    }
    if (request.method !== 'POST' || !isInitializeRequest(parsedBody)) {
      return Response.json(rpcError(-32000, 'Session ID required: send an initialize request first.'), { status: 400 })
    }
    const opened = await sessions.open(principal, request, parsedBody)
    return (
      opened ??
      Response.json(rpcError(-32000, 'This hub holds as many MCP sessions as it can.'), {
        status: 503,
        headers: { 'retry-after': '30' },
      })
    )
  }

  async function serveModern(principal: Principal, request: Request, parsedBody: unknown): Promise<Response> {
    const options = principal.authInfo ? { authInfo: principal.authInfo } : {}
    const wanted = listenedUris(parsedBody)
    if (!wanted) return await modern.fetch(request, { parsedBody, ...options })
    const granted = listen ? await listen(principal, wanted.uris) : { uris: [], end: () => {} }
    const response = await modern.fetch(request, { parsedBody: wanted.narrow(granted.uris), ...options })
    return watchOver(response, request, granted.end)
  }

  return {
    app,
    notify: modern.notify,
    sessionCount: sessions.size,
    close: async () => {
      await Promise.all([modern.close(), sessions.close()])
    },
  }
}

function rpcError(code: number, message: string) {
  return { jsonrpc: '2.0', error: { code, message }, id: null }
}

/** Against DNS rebinding: a page in a browser must not reach the hub under a name of its own. */
function refuseHost(request: Request, hosts: string[]): Response | undefined {
  const host = validateHostHeader(request.headers.get('host'), hosts)
  const refused = host.ok ? validateOriginHeader(request.headers.get('origin'), hosts) : host
  if (refused.ok) return undefined
  return Response.json(
    rpcError(-32000, `${refused.message}. Set SIGNALBOX_PUBLIC_URL to the address under which people reach this hub.`),
    { status: 403 },
  )
}

async function readJson(request: Request): Promise<{ json: unknown } | Response> {
  if (!isJsonContentType(request.headers.get('content-type'))) {
    return Response.json(rpcError(-32000, 'Unsupported Media Type: Content-Type must be application/json'), {
      status: 415,
    })
  }
  const body = await readRequestBody(request, MAX_BODY_BYTES)
  if (body.tooLarge)
    return Response.json(rpcError(-32000, `Payload Too Large: at most ${MAX_BODY_BYTES} bytes`), { status: 413 })
  try {
    return { json: JSON.parse(body.text) }
  } catch {
    return Response.json(rpcError(-32700, 'Parse error: the request body is not valid JSON'), { status: 400 })
  }
}

/** The resources that a subscriptions/listen request asks for, and the same request with only some of them. */
function listenedUris(body: unknown): { uris: string[]; narrow: (uris: string[]) => unknown } | undefined {
  if (!isRecord(body) || body.method !== 'subscriptions/listen') return undefined
  const { params } = body
  const notifications = isRecord(params) ? params.notifications : undefined
  const wanted = isRecord(notifications) ? notifications.resourceSubscriptions : undefined
  if (!isRecord(params) || !isRecord(notifications) || !Array.isArray(wanted)) return { uris: [], narrow: () => body }
  return {
    uris: wanted.filter((uri) => typeof uri === 'string'),
    narrow: (uris) => ({
      ...body,
      params: { ...params, notifications: { ...notifications, resourceSubscriptions: uris } },
    }),
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
