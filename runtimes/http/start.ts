import { type RuntimeIO, RuntimeRejection, type Turn } from '../../core/index.ts'
import { type Call, type Connection, open, RequestFailed, readAnswer, reasonOf } from './connection.ts'
import type { OpenAnswers } from './open-answers.ts'
import type { HttpRef } from './ref.ts'
import { toRequest } from './turn.ts'

/** A run of an agent that answers by body counts as taken when the request is through and no refusal came within this time. */
const REFUSAL_MS = 1_000

/**
 * Posts the run and tells how the agent took it. Throws RuntimeRejection when it surely did not: no connection, 3xx, 4xx;
 * anything else (5xx, a connection that broke, silence) leaves it open.
 */
export async function startRun(
  connection: Connection,
  answers: OpenAnswers,
  ref: HttpRef,
  turn: Turn,
  io: RuntimeIO,
): Promise<HttpRef['took']> {
  const { settings } = connection
  const patience = () => AbortSignal.timeout(settings.timeout_seconds * 1_000)
  const byCallback = settings.mode === 'async' && !settings.durable
  if (byCallback && turn.callbackUrl === null) {
    throw new RuntimeRejection(
      'runtime_rejected',
      'Mode async needs a URL for callbacks: set SIGNALBOX_PUBLIC_URL where the hub runs.',
    )
  }
  const call: Call = {
    method: 'POST',
    path: '',
    messageId: ref.run_id,
    headers: {
      accept: settings.mode === 'sync' ? 'application/json' : 'text/event-stream, application/json',
      'idempotency-key': ref.run_id,
      ...(turn.traceparent !== null && { traceparent: turn.traceparent }),
    },
    body: await toRequest(turn, settings, byCallback ? turn.callbackUrl : null),
    signal: io.signal,
  }
  const exchange = await open(connection, call)
  await exchange.sent
  const bodyIsRun = !settings.durable && !byCallback
  const response = await Promise.race([exchange.response, ...(bodyIsRun ? [silence(REFUSAL_MS)] : [])]).catch(
    (error: unknown) => {
      if (io.signal.aborted || !(error instanceof RequestFailed) || error.reached) throw error
      throw new RuntimeRejection('runtime_unavailable', error.message, { cause: error })
    },
  )
  if (response === null) {
    answers.hold(ref.run_id, exchange, exchange.response)
    return 'body'
  }
  const status = response.statusCode ?? 0
  if (status >= 300)
    throw refusal(status, reasonOf(await readAnswer(response, AbortSignal.any([io.signal, patience()]))))
  if (settings.durable || (byCallback && status === 202)) {
    // To some agents a connection that breaks means that the caller gave up: the rest of the answer is read, though it says nothing.
    if (response.headers['content-type']?.startsWith('text/event-stream')) exchange.close()
    else readAnswer(response, patience()).then(exchange.close, exchange.close)
    return settings.durable ? 'durable' : 'callback'
  }
  answers.hold(ref.run_id, exchange, response)
  return 'body'
}

function refusal(status: number, reason: string): Error {
  if (status >= 500) return new Error(`The agent answered ${reason}; whether it took the run is not known.`)
  if (status >= 400) return new RuntimeRejection('runtime_rejected', `The agent refused the run: ${reason}`)
  return new RuntimeRejection(
    'runtime_rejected',
    `The agent redirects (status ${status}), which is not followed: set the final URL in the settings.`,
  )
}

function silence(milliseconds: number): Promise<null> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, null))
}
