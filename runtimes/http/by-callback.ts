/** Runs whose events come by callback: verified at the door, kept by the hub, read from its inbox. */
import { WebhookVerificationError } from 'standardwebhooks'
import * as z from 'zod'
import {
  HubError,
  type InboxEvent,
  type RuntimeEvent,
  type RuntimeHost,
  type RuntimeIO,
  type Snapshot,
} from '../../core/index.ts'
import { type Connection, signingKey } from './connection.ts'
import { nothingTold, readEvent, tell, toRuntimeEvent, toSnapshot } from './events.ts'
import type { HttpRef } from './ref.ts'

const MAX_CALLBACK_BYTES = 1024 * 1024
/** What is in the inbox already comes without longer gaps than this; what is missed is told by the stream, and a later status. */
const GAP_MS = 100
/** A run that goes on telling does not hold its status up; one not known to be taken is given this time, since `unknown` ends it. */
const WHOLE_MS = 2_000

const Callback = z.object({
  run_id: z.string().min(1).max(200),
  events: z
    .array(z.looseObject({ seq: z.number().int().min(1).max(2_147_483_647), type: z.string() }))
    .min(1)
    .max(1_000),
})

/**
 * What a callback tells: `{run_id, events: [{seq, type, ...}]}`, signed by Standard Webhooks and not older than five minutes.
 * Throws unauthenticated, body_too_large and invalid_request. The same callback again gives the same events.
 */
export async function receiveEvents(
  connection: Connection,
  request: Request,
): Promise<{ runId: string; events: InboxEvent[] }> {
  const key = await signingKey(connection)
  if (!key) {
    throw new HubError('unauthenticated', 'This runtime takes no callbacks: it has no secret to verify them with.', {
      hint: 'Set `secret` in the settings of the runtime.',
    })
  }
  const body = await readBody(request)
  try {
    key.verify(body, Object.fromEntries(request.headers), { jsonParse: false })
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error
    throw new HubError('unauthenticated', `The signature of the callback does not hold: ${error.message}.`, {
      hint: 'Sign it by Standard Webhooks with the secret of the runtime, and check the clock of the sender.',
    })
  }
  const parsed = Callback.safeParse(toJson(body))
  if (!parsed.success)
    throw new HubError(
      'invalid_request',
      `The callback is not of the documented shape: ${z.prettifyError(parsed.error)}`,
    )
  return { runId: parsed.data.run_id, events: parsed.data.events.map(({ seq, ...event }) => ({ seq, event })) }
}

/** Events of the inbox after the cursor, which is the sender's `seq`. */
export async function* followInbox(
  host: RuntimeHost,
  ref: HttpRef,
  io: RuntimeIO & { cursor?: string },
): AsyncGenerator<RuntimeEvent> {
  for await (const { seq, event: value } of host.inbox(ref.run_id, Number(io.cursor ?? 0) || 0, io.signal)) {
    const event = toRuntimeEvent(value, String(seq))
    if (event) yield event
    if (readEvent(value)?.type === 'finished') return
  }
}

/** The run as the events say that came so far. Not known to have been taken, it is unknown until the first of them. */
export async function inboxStatus(host: RuntimeHost, ref: HttpRef, io: RuntimeIO): Promise<Snapshot> {
  const told = nothingTold()
  let taken = ref.took === 'callback'
  const enough = new AbortController()
  const stop = () => enough.abort()
  const whole = setTimeout(stop, WHOLE_MS)
  let gap = taken ? setTimeout(stop, GAP_MS) : undefined
  try {
    for await (const { event } of host.inbox(ref.run_id, 0, AbortSignal.any([io.signal, enough.signal]))) {
      tell(told, event)
      taken = true
      if (told.finished) break
      clearTimeout(gap)
      gap = setTimeout(stop, GAP_MS)
    }
  } catch (error) {
    if (!enough.signal.aborted) throw error
  } finally {
    clearTimeout(gap)
    clearTimeout(whole)
  }
  return taken ? toSnapshot(told) : { status: 'unknown' }
}

async function readBody(request: Request): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_CALLBACK_BYTES) {
      throw new HubError('body_too_large', `A callback holds at most ${MAX_CALLBACK_BYTES} bytes.`, {
        hint: 'Send its events in several callbacks.',
      })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
