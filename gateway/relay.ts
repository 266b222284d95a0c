import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as timer } from 'node:timers/promises'
import { createAdaptorServer, type HttpBindings, type ServerType } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { type Core, HubError, type Log } from '../core/index.ts'
import { DEMO_MODEL, DemoRequest, type Pause, sendDemoAnswer } from './demo-model.ts'
import { ENDPOINTS, type Endpoint } from './endpoints.ts'
import type { Provider } from './providers.ts'
import {
  BAD_TOKEN,
  HUB_FAULT,
  misfitOf,
  NOT_A_CALL,
  type Refusal,
  reasonOf,
  refusalBody,
  tooLarge,
  unknownPath,
  unknownProvider,
  unreachable,
  unusable,
  wrongModel,
} from './refusals.ts'
import { type CallBody, readBody, toCallBody } from './request-body.ts'
import { type ModelSession, sessionCache } from './session-cache.ts'
import { openUpstream, passThrough, type Upstream, type UpstreamEnd, upstreamRequest } from './upstream.ts'
import { type UsageReader, usageReader } from './usage.ts'

/** What the relay needs of core. */
export type RelayCore = Pick<Core, 'scrub' | 'resolveSecret'> & { gateway: Pick<Core['gateway'], 'session' | 'record'> }

export type ModelRelay = {
  /** Base of `{url}/{provider}/v1/...`, no slash at the end. */
  url: string
  port: number
  /** Ends every call at once, on both sides, and returns when what they used is recorded. */
  close(): Promise<void>
}

export type RelayOptions = {
  providers: Map<string, Provider>
  log: Log
  /** Taken again after a restart, so that harnesses still at work find the relay; when it is taken, another one is. Default: any. */
  port?: number
  host?: '127.0.0.1'
  /** How the demo model waits. */
  pause?: Pause
}

const MAX_BODY_BYTES = 32 * 1024 * 1024
const NONE_KNOWN = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 }

type RelayContext = Context<{ Bindings: HttpBindings }>

/**
 * The loopback relay for model calls: takes a session token and sends the provider's real key, so that no harness ever holds one.
 * Strings of requests are scrubbed; 2xx replies pass byte for byte while they arrive, and what they used is recorded on the run.
 * Nothing is sent twice. Resolves every provider's key once; throws secret_unresolved.
 */
export async function modelRelay(core: RelayCore, options: RelayOptions): Promise<ModelRelay> {
  const { log, providers, host = '127.0.0.1', port = 0, pause = wait } = options
  const sessionOf = sessionCache((token) => core.gateway.session(token, 'model'))
  const upstreams = new Map<string, Upstream>()
  for (const provider of providers.values()) {
    if (provider.dialect === 'demo') continue
    const key = provider.key ? (await core.resolveSecret(provider.key)).trim() : null
    upstreams.set(provider.id, openUpstream(provider, key))
  }

  async function answer(c: RelayContext, endpoint: Endpoint): Promise<Response> {
    const provider = providers.get(c.req.param('provider') ?? '')
    const refuse = (refusal: Refusal) =>
      c.json(refusalBody(provider?.dialect ?? endpoint.dialect, refusal), refusal.status)
    const token = tokenOf(c)
    const session = await authenticate(token)
    if ('status' in session) return refuse(session)
    if (!provider) return refuse(unknownProvider(c.req.param('provider') ?? '', providers))
    const misfit = misfitOf(provider, endpoint, session)
    if (misfit) return refuse(misfit)

    let body: CallBody | null = null
    if (endpoint.method === 'POST') {
      const bytes = await readBody(c.env.incoming, MAX_BODY_BYTES).catch(() => 'gone' as const)
      if (bytes === 'gone') return RESPONSE_ALREADY_SENT
      if (!bytes) return refuse(tooLarge(MAX_BODY_BYTES))
      const scrub = (text: string) => core.scrub(text.replaceAll(token, '[REDACTED:session_token]'))
      body = toCallBody(bytes, { format: endpoint.format, provider, scrub })
      if (!body) return refuse(NOT_A_CALL)
      const wrong = wrongModel(provider, body.model, session, providers)
      if (wrong) return refuse(wrong)
    }

    const { outgoing } = c.env
    let reader: UsageReader | null = null
    const tee = (chunk: Uint8Array) => reader?.push(chunk)
    const onStart = (contentType: string) => {
      reader = endpoint.format ? usageReader(endpoint.format, contentType.includes('text/event-stream')) : null
    }
    const upstream = upstreams.get(provider.id)
    let end: UpstreamEnd
    if (upstream) {
      const request = upstreamRequest(upstream, endpoint, c.req.raw, body?.bytes ?? null, token)
      end = await passThrough(upstream.pool, { ...request, outgoing, tee, onStart })
    } else if (!body) {
      return c.json({ object: 'list', data: [{ id: DEMO_MODEL, object: 'model', created: 0, owned_by: 'signalbox' }] })
    } else {
      const request = DemoRequest.safeParse(body.data)
      if (!request.success) return refuse(NOT_A_CALL)
      end = await sendDemoAnswer(request.data, { outgoing, tee, onStart, pause })
    }
    if (endpoint.format && end.ending !== 'refused' && end.ending !== 'unreachable') {
      void track(record(session.runId, reader))
    }
    return toResponse(c, end, provider, upstream, refuse)
  }

  async function authenticate(token: string): Promise<ModelSession | Refusal> {
    if (!token) return { ...BAD_TOKEN, message: 'The call carries no session token.' }
    try {
      return await sessionOf(token)
    } catch (error) {
      if (error instanceof HubError) return { ...BAD_TOKEN, message: error.message }
      log.error('a session token could not be checked', { reason: reasonOf(error) })
      return HUB_FAULT
    }
  }

  async function record(runId: string, reader: UsageReader | null): Promise<void> {
    const usage = reader?.end() ?? null
    try {
      await core.gateway.record(runId, usage ?? NONE_KNOWN)
    } catch (error) {
      log.error('the usage of a model call could not be recorded', { run_id: runId, ...usage, reason: reasonOf(error) })
    }
  }

  function toResponse(
    c: RelayContext,
    end: UpstreamEnd,
    provider: Provider,
    upstream: Upstream | undefined,
    refuse: (refusal: Refusal) => Response,
  ): Response {
    switch (end.ending) {
      case 'passed':
      case 'aborted':
        return RESPONSE_ALREADY_SENT
      case 'broken':
        log.warn('a model reply broke off', { provider: provider.id, reason: reasonOf(end.error) })
        return RESPONSE_ALREADY_SENT
      case 'unreachable':
        log.warn('a model provider did not answer', { provider: provider.id, reason: reasonOf(end.error) })
        return refuse(unreachable(provider, end.error))
      case 'refused': {
        if (end.status === 401 || end.status === 403) {
          log.warn("a model provider refused the hub's key", {
            provider: provider.id,
            status: end.status,
            key: provider.key,
          })
        }
        if (end.status < 400 || end.encoded) return refuse(unusable(provider, end.status))
        const text = end.body.toString('utf8')
        const clean = core.scrub(upstream?.key ? text.replaceAll(upstream.key, '[REDACTED:provider_key]') : text)
        // The bytes as they came, unless a secret is in them. A status from 400 on may carry a body.
        return c.body(
          clean === text ? new Uint8Array(end.body) : clean,
          end.status as ContentfulStatusCode,
          end.headers,
        )
      }
    }
  }

  const working = new Set<Promise<unknown>>()
  function track<T>(work: Promise<T>): Promise<T> {
    working.add(work)
    const done = () => working.delete(work)
    work.then(done, done)
    return work
  }

  const app = new Hono<{ Bindings: HttpBindings }>()
  for (const endpoint of ENDPOINTS) {
    app.on(endpoint.method, `/:provider/v1${endpoint.path}`, (c) => track(answer(c, endpoint)))
  }
  const dialectOf = (path: string) => providers.get(path.split('/')[1] ?? '')?.dialect ?? 'openai'
  app.notFound((c) => c.json(refusalBody(dialectOf(c.req.path), unknownPath(c.req.method, c.req.path)), 404))
  app.onError((error, c) => {
    log.error('the model relay met a fault', { path: c.req.path, reason: reasonOf(error) })
    // Headers are out: another response would be written over the first, which ends the process.
    if (c.env.outgoing.headersSent) {
      c.env.outgoing.destroy()
      return RESPONSE_ALREADY_SENT
    }
    return c.json(refusalBody(dialectOf(c.req.path), HUB_FAULT), HUB_FAULT.status)
  })

  const server = createAdaptorServer({ fetch: app.fetch })
  // Longer than harnesses keep a connection, so that they never send on one that was just closed here.
  if ('keepAliveTimeout' in server) server.keepAliveTimeout = 65_000
  const bound = await listen(server, host, port, log)
  return {
    url: `http://${host}:${bound}`,
    port: bound,
    async close() {
      const closed = server.listening ? once(server, 'close') : null
      server.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      while (working.size > 0) await Promise.allSettled(working)
      await Promise.all([closed, ...[...upstreams.values()].map(({ pool }) => pool.destroy())])
    },
  }
}

async function listen(server: ServerType, host: string, port: number, log: Log): Promise<number> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    if (port === 0 || !(error instanceof Error) || !('code' in error) || error.code !== 'EADDRINUSE') throw error
    log.warn(
      'the port of the model relay is taken: another one is used, and harnesses still at work from before do not find it',
      { port },
    )
    return listen(server, host, 0, log)
  }
  // A server that listens on a port has an address of this shape.
  return (server.address() as AddressInfo).port
}

/** `Authorization: Bearer`, as OpenAI's clients send it, or `x-api-key`, as Anthropic's do. */
function tokenOf(c: RelayContext): string {
  const bearer = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
  return bearer ?? c.req.header('x-api-key')?.trim() ?? ''
}

const wait: Pause = (delayMs, signal) => timer(delayMs, undefined, { signal })
