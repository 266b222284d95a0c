import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Actor, Log } from '../core/index.ts'

/** What the door knows of a request by the time a route sees it. */
export type WebEnv = {
  Variables: {
    /** In every answer, error and log line of this request. */
    requestId: string
    /** Set by `authentication` for every path that needs one. */
    actor: Actor
  }
}

/** What the routes under /api/v1 are registered on. */
export type Api = OpenAPIHono<WebEnv>

export type WebOptions = {
  log: Log
  /** Largest JSON or YAML body; default 2 MiB. */
  maxBodyBytes?: number
  /** Largest upload that has to be held in memory (multipart, or with an Idempotency-Key); default 32 MiB. Others are streamed. */
  maxUploadBytes?: number
  /** Hosts (names, or name:port) that requests may name besides this computer's own; '*' for any. Guards against DNS rebinding. */
  allowedHosts?: string[]
  /** Where people reach this hub from outside; its host is allowed, and with https the session cookie is `Secure`. */
  publicUrl?: string
  /** Time between comments on a quiet event stream; default 15,000. */
  heartbeatMs?: number
}
