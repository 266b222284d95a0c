/** What the stdio bridge says when the hub refuses, is gone or breaks off. */

import type { Writable } from 'node:stream'
import { SdkHttpError } from '@modelcontextprotocol/client'
import { type JSONRPCMessage, parseJSONRPCMessage, type RequestId } from '@modelcontextprotocol/server'

/** The hub's own error where it sent one, with whatever status; else what a person can do about it. */
export function toErrorResponse(id: RequestId, error: unknown, url: string): JSONRPCMessage {
  const sent = error instanceof SdkHttpError ? errorIn(error.data.text) : undefined
  if (sent && typeof sent.code === 'number') return parseJSONRPCMessage({ jsonrpc: '2.0', id, error: sent })
  if (sent) {
    const message = [sent.message, sent.hint].filter((part) => typeof part === 'string').join(' ')
    return { jsonrpc: '2.0', id, error: { code: -32000, message, data: sent } }
  }
  return { jsonrpc: '2.0', id, error: { code: -32000, message: explain(error, url) } }
}

/** The `error` of a JSON body; undefined when something other than a hub answered. */
function errorIn(text: unknown): Record<string, unknown> | undefined {
  if (typeof text !== 'string') return undefined
  try {
    const { error } = JSON.parse(text) as { error?: unknown }
    return typeof error === 'object' && error !== null ? { ...error } : undefined
  } catch {
    return undefined
  }
}

export function explain(error: unknown, url: string): string {
  if (error instanceof SdkHttpError) return `The hub at ${url} answered with status ${error.status}.`
  // What fetch throws when nothing listens: its cause has the reason.
  if (error instanceof TypeError) {
    const cause = error.cause instanceof Error ? error.cause.message || error.cause.name : error.message
    return `Signalbox does not answer at ${url} (${cause}). Start it with \`signalbox up\` and try again.`
  }
  if (!(error instanceof Error)) return String(error)
  return 'hint' in error ? `${error.message} ${String(error.hint)}` : error.message
}

/** One line to the person per outage, whatever number of requests fail in it. */
export function outages(stderr: Writable) {
  let isDown = false
  return {
    down(why: string): void {
      if (!isDown) stderr.write(`signalbox mcp: ${why}\n`)
      isDown = true
    },
    up(url: string): void {
      if (isDown) stderr.write(`signalbox mcp: the hub answers at ${url}\n`)
      isDown = false
    },
  }
}
