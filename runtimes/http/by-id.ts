/** What an agent is asked about a run that it has: below `{url}/runs/{run_id}`. */
import type { IncomingMessage } from 'node:http'
import * as z from 'zod'
import {
  type Answer,
  type Cancel,
  HubError,
  RunStatus,
  type RuntimeEvent,
  type RuntimeIO,
  type Snapshot,
  type Steer,
} from '../../core/index.ts'
import { ask, type Connection, open, readAnswer, reasonOf } from './connection.ts'
import { readEventStream } from './event-stream.ts'
import {
  readEvent,
  toError,
  toInterrupt,
  toRuntimeEvent,
  toUsage,
  WireError,
  WireInterrupt,
  WireUsage,
} from './events.ts'
import type { HttpRef } from './ref.ts'

const RunState = z.object({
  status: RunStatus,
  output: z.string().nullish(),
  error: WireError.nullish(),
  interrupts: z.array(WireInterrupt).nullish(),
  usage: WireUsage.nullish(),
})

/** Whether the agent has the run. Throws when it does not answer the question. */
export async function hasRun(connection: Connection, ref: HttpRef, io: RuntimeIO): Promise<boolean> {
  const answer = await ask(connection, { method: 'GET', path: pathOf(ref), signal: io.signal })
  if (answer.status === 200) return true
  if (answer.status === 404) return false
  throw new Error(`The agent answered ${reasonOf(answer)} when asked for run ${ref.run_id}.`)
}

export async function askStatus(connection: Connection, ref: HttpRef, io: RuntimeIO): Promise<Snapshot> {
  const answer = await ask(connection, { method: 'GET', path: pathOf(ref), signal: io.signal })
  if (answer.status === 404) return { status: 'unknown' }
  if (answer.status !== 200)
    throw new Error(`The agent answered ${reasonOf(answer)} when asked for the status of run ${ref.run_id}.`)
  const parsed = RunState.safeParse(answer.json)
  if (!parsed.success)
    throw new Error(
      `The agent's status of run ${ref.run_id} is not of the documented shape: ${z.prettifyError(parsed.error)}`,
    )
  const { status, output, error, interrupts, usage } = parsed.data
  return {
    status,
    ...(output != null && { output }),
    ...(status === 'failed' && { error: toError(error ?? undefined) }),
    ...(interrupts && interrupts.length > 0 && { interrupts: interrupts.map(toInterrupt) }),
    ...(usage && { usage: toUsage(usage) }),
  }
}

/** Events after the cursor; the id of each server-sent event is its cursor. */
export async function* followRun(
  connection: Connection,
  ref: HttpRef,
  io: RuntimeIO & { cursor?: string },
): AsyncGenerator<RuntimeEvent> {
  let response: IncomingMessage | null = null
  const leave = () => void response?.destroy()
  try {
    const { response: answered } = await open(connection, {
      method: 'GET',
      path: `${pathOf(ref)}/events`,
      query: { after: io.cursor ?? '0' },
      headers: { accept: 'text/event-stream' },
      signal: io.signal,
    })
    response = await answered
    io.signal.addEventListener('abort', leave, { once: true })
    if (io.signal.aborted) return
    if (response.statusCode !== 200)
      throw new Error(
        `The agent answered ${reasonOf(await readAnswer(response, io.signal))} when asked for the events of run ${ref.run_id}.`,
      )
    for await (const { seq, value } of readEventStream(response, Number(io.cursor ?? 0))) {
      const event = toRuntimeEvent(value, seq)
      if (event) yield event
      if (readEvent(value)?.type === 'finished') return
    }
  } catch (error) {
    // Leaving is how the signal ends the loop, and no fault.
    if (!io.signal.aborted) throw error
  } finally {
    io.signal.removeEventListener('abort', leave)
    leave()
  }
}

/** POST runs/{id}/{cancel|answer|steer}. 202: the agent will; other 2xx: it has; 409: the run is over. */
export async function tellRun(
  connection: Connection,
  ref: HttpRef,
  verb: (Answer | Steer | Cancel)['type'],
  body: Record<string, unknown>,
  io: RuntimeIO,
) {
  const answer = await ask(connection, {
    method: 'POST',
    path: `${pathOf(ref)}/${verb}`,
    body: { type: verb, run_id: ref.run_id, ...body },
    signal: io.signal,
  })
  if (answer.status === 409) return 'already_terminal'
  if (answer.status < 200 || answer.status >= 300)
    throw new HubError('runtime_failed', `The agent answered ${reasonOf(answer)} to ${verb} of run ${ref.run_id}.`)
  return answer.status === 202 ? 'accepted' : 'done'
}

const pathOf = (ref: HttpRef) => `/runs/${encodeURIComponent(ref.run_id)}`
