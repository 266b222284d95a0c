/** Sessions of legacy clients (2025-11-25 and older): one `Server` each, bound to who opened it, bounded in number and in idle time. */
import { randomUUID } from 'node:crypto'
import {
  type AuthInfo,
  type McpServerFactory,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import { createEventStore } from './event-store.ts'

/** Who makes a request: an id to bind sessions to, and what handlers are given. */
export type Principal = { id: string; authInfo?: AuthInfo }

export type SessionLimits = {
  /** A session without a request or an open stream for this long is ended. */
  idleMs: number
  /** Sessions on this replica; past it a new one is refused. */
  max: number
  /** Sessions of one principal; past it, its longest idle one is ended. */
  maxPerPrincipal: number
}

type Session = {
  id: string
  principalId: string
  transport: WebStandardStreamableHTTPServerTransport
  usedAt: number
  streams: number
}

export function createSessions(build: McpServerFactory, limits: SessionLimits) {
  const sessions = new Map<string, Session>()
  const sweep = setInterval(endIdle, Math.min(limits.idleMs / 2, 30_000))
  sweep.unref()

  function endIdle(): void {
    const before = Date.now() - limits.idleMs
    for (const session of sessions.values())
      if (session.streams === 0 && session.usedAt < before) void session.transport.close()
  }

  /** Opens a session for an initialize request; undefined when there is no room. */
  async function open(principal: Principal, request: Request, parsedBody: unknown): Promise<Response | undefined> {
    const own = [...sessions.values()].filter(({ principalId }) => principalId === principal.id)
    if (own.length >= limits.maxPerPrincipal) {
      const [idlest] = own.toSorted((a, b) => a.streams - b.streams || a.usedAt - b.usedAt)
      await idlest?.transport.close()
    }
    if (sessions.size >= limits.max) return undefined
    const transport: WebStandardStreamableHTTPServerTransport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: createEventStore(),
      retryInterval: 1_000,
      onsessioninitialized: (id) => {
        sessions.set(id, { id, principalId: principal.id, transport, usedAt: Date.now(), streams: 0 })
      },
    })
    const server = await build({
      era: 'legacy',
      requestInfo: request,
      ...(principal.authInfo ? { authInfo: principal.authInfo } : {}),
    })
    await server.connect(transport)
    // After connect, which sets its own: both must hear of the end.
    const { onclose } = transport
    transport.onclose = () => {
      if (transport.sessionId) sessions.delete(transport.sessionId)
      onclose?.()
    }
    return await transport.handleRequest(request, {
      parsedBody,
      ...(principal.authInfo ? { authInfo: principal.authInfo } : {}),
    })
  }

  /** Serves a request of a session; undefined when there is none of that id, or it is another principal's. */
  async function serve(
    id: string,
    principal: Principal,
    request: Request,
    parsedBody: unknown,
  ): Promise<Response | undefined> {
    const session = sessions.get(id)
    if (session?.principalId !== principal.id) return undefined
    session.usedAt = Date.now()
    return await session.transport.handleRequest(request, {
      ...(parsedBody === undefined ? {} : { parsedBody }),
      ...(principal.authInfo ? { authInfo: principal.authInfo } : {}),
    })
  }

  /** As long as the stream that a client listens on is open, its client is there; call what this returns when it ends. */
  function listens(id: string): () => void {
    const session = sessions.get(id)
    if (session) session.streams += 1
    return () => {
      if (!session) return
      session.streams -= 1
      session.usedAt = Date.now()
    }
  }

  return {
    open,
    serve,
    listens,
    size: () => sessions.size,
    async close(): Promise<void> {
      clearInterval(sweep)
      await Promise.all([...sessions.values()].map(({ transport }) => transport.close()))
    },
  }
}
