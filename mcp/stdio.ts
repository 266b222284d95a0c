/** MCP over stdio for clients that start a command: a relay to the hub that runs, in whichever era the client speaks. */

import type { Readable, Writable } from 'node:stream'
import { SdkHttpError, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import {
  isInitializeRequest,
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type JSONRPCRequest,
  PROTOCOL_VERSION_META_KEY,
  type RequestId,
} from '@modelcontextprotocol/server'
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio'
import { explain, outages, toErrorResponse } from './stdio-errors.ts'

type Link = StreamableHTTPClientTransport

const BROKEN_OFF =
  'The hub broke off before it answered. Runs go on by themselves: look with run_list before you call again.'
const RESUBSCRIBE = 'signalbox-resubscribe:'

export type Hub = { /** Where it serves, without /mcp. */ url: string; token: string }

export type BridgeOptions = Hub & {
  /**
   * Where the hub is now: asked when it does not answer or refuses the token, since a restarted hub may have moved. What it
   * throws is told as the reason.
   */
  locate?: () => Promise<Hub>
  stdin?: Readable
  /** Carries the protocol and nothing else. */
  stdout?: Writable
  /** For the person: one line when the hub is gone, one when it is back. */
  stderr?: Writable
}

/**
 * Relays until stdin ends. Starts no hub: while none runs, each request is answered with an error that says so, and the next
 * one tries again. After a restart of the hub a legacy session is opened anew, its subscriptions with it.
 */
export async function stdioBridge({
  stdin = process.stdin,
  stdout = process.stdout,
  stderr = process.stderr,
  ...options
}: BridgeOptions): Promise<void> {
  const client = new StdioServerTransport(stdin, stdout)
  const say = outages(stderr)
  const waiting = new Map<RequestId, { cancel: AbortController; modern: boolean }>()
  const subscribed = new Set<string>()
  let hub: Hub = { url: options.url, token: options.token }
  const links: Link[] = []
  let link = openLink(hub)
  let initialize: (JSONRPCMessage & { id: RequestId }) | undefined
  let opening: Promise<void> | undefined
  let opened = () => {}
  let reviving: Promise<void> | undefined

  function openLink({ url, token }: Hub): Link {
    const fresh = new StreamableHTTPClientTransport(new URL('/mcp', url), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
      // A signal of its own for each request: undici adds listeners to the one it is given and keeps them.
      fetch: (to, init) => fetch(to, init?.signal ? { ...init, signal: AbortSignal.any([init.signal]) } : init),
    })
    fresh.onmessage = fromHub
    links.push(fresh)
    void fresh.start()
    return fresh
  }

  function fromHub(message: JSONRPCMessage): void {
    if (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) {
      if (message.id !== undefined) waiting.delete(message.id)
      if (isJSONRPCResultResponse(message) && message.id === initialize?.id) {
        const { protocolVersion } = message.result
        if (typeof protocolVersion === 'string') link.setProtocolVersion(protocolVersion)
      }
      if (message.id === initialize?.id) opened()
    }
    void toClient(message)
  }

  const toClient = (message: JSONRPCMessage) =>
    client.send(message).catch(() => {
      // The client closed its end: stdin ends too, which ends the bridge.
    })

  async function fromClient(message: JSONRPCMessage): Promise<void> {
    if (isInitializeRequest(message) && isJSONRPCRequest(message)) {
      initialize = message
      opening = new Promise((resolve) => {
        opened = resolve
      })
    } else {
      // What comes right behind an initialize waits for its answer, which names the session.
      await opening
    }
    if (isJSONRPCNotification(message) && message.method === 'notifications/cancelled') {
      if (cancelModern(message.params?.requestId)) return
    }
    if (!isJSONRPCRequest(message)) {
      await send(message).catch((error: unknown) => say.down(explain(error, hub.url)))
      return
    }
    const cancel = new AbortController()
    waiting.set(message.id, { cancel, modern: isModern(message) })
    try {
      await send(message, cancel.signal)
      say.up(hub.url)
      remember(message)
    } catch (error) {
      if (cancel.signal.aborted) return
      if (!(error instanceof SdkHttpError)) say.down(explain(error, hub.url))
      refuse(message.id, error)
    }
  }

  /** In the modern era a call is cancelled by closing its stream, not by a message. */
  function cancelModern(id: unknown): boolean {
    if (typeof id !== 'string' && typeof id !== 'number') return false
    const request = waiting.get(id)
    if (!request?.modern) return false
    waiting.delete(id)
    request.cancel.abort()
    return true
  }

  async function send(message: JSONRPCMessage, signal?: AbortSignal): Promise<void> {
    const options = {
      ...(signal ? { requestSignal: signal } : {}),
      ...(isJSONRPCRequest(message) ? { onRequestStreamEnd: () => refuse(message.id, new Error(BROKEN_OFF)) } : {}),
    }
    const used = link
    try {
      await used.send(message, options)
    } catch (error) {
      if (signal?.aborted || !(await recover(error, used))) throw error
      await link.send(message, options)
    }
  }

  /** True when the message should be sent again: the hub was found anew, or the legacy session was opened anew. */
  async function recover(error: unknown, used: Link): Promise<boolean> {
    if (used !== link) return true
    const status = error instanceof SdkHttpError ? error.status : undefined
    const lost = status === 404 && used.sessionId !== undefined
    // A reason of its own that the hub cannot be found is better than that an address does not answer.
    const moved = status === undefined || status === 401 ? await relocate() : undefined
    if (!lost && !moved) return false
    reviving ??= revive(moved ?? hub, used).finally(() => {
      reviving = undefined
    })
    await reviving
    return true
  }

  async function relocate(): Promise<Hub | undefined> {
    const found = await options.locate?.()
    return found && (found.url !== hub.url || found.token !== hub.token) ? found : undefined
  }

  /** Takes over only when it worked, so that the next request may try again. The old link still brings what was sent on it. */
  async function revive(found: Hub, old: Link): Promise<void> {
    const fresh = openLink(found)
    if (initialize && old.sessionId !== undefined) {
      // The client has its answer to initialize; this one is for the bridge alone.
      const answered = new Promise<void>((resolve) => {
        fresh.onmessage = () => resolve()
      })
      await fresh.send(initialize)
      await answered
      if (old.protocolVersion !== undefined) fresh.setProtocolVersion(old.protocolVersion)
      await fresh.send({ jsonrpc: '2.0', method: 'notifications/initialized' })
      fresh.onmessage = (message) => {
        if (!('id' in message && String(message.id).startsWith(RESUBSCRIBE))) fromHub(message)
      }
      for (const uri of subscribed) {
        await fresh.send({ jsonrpc: '2.0', id: `${RESUBSCRIBE}${uri}`, method: 'resources/subscribe', params: { uri } })
      }
    }
    hub = found
    link = fresh
  }

  function remember({ method, params }: JSONRPCRequest): void {
    const uri = params?.uri
    if (typeof uri !== 'string') return
    if (method === 'resources/subscribe') subscribed.add(uri)
    if (method === 'resources/unsubscribe') subscribed.delete(uri)
  }

  function refuse(id: RequestId, error: unknown): void {
    if (!waiting.delete(id)) return
    if (id === initialize?.id) opened()
    void toClient(toErrorResponse(id, error, hub.url))
  }

  await new Promise<void>((resolve) => {
    client.onclose = resolve
    client.onerror = (error) => stderr.write(`signalbox mcp: ${error.message}\n`)
    client.onmessage = (message) => void fromClient(message)
    void client.start()
  })
  for (const { cancel } of waiting.values()) cancel.abort()
  await Promise.race([
    link.terminateSession().catch(() => {}),
    new Promise((resolve) => setTimeout(resolve, 1_000).unref()),
  ])
  await Promise.all(links.map((each) => each.close()))
}

function isModern({ params }: JSONRPCRequest): boolean {
  return params?._meta !== undefined && PROTOCOL_VERSION_META_KEY in params._meta
}
