import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type Actor, type Core, EventPage, FileInfo, isTerminal, Run, RunStatus, StartRun } from '../../core/index.ts'
import type { Api, WebEnv } from '../env.ts'
import { EVENT_STREAM_HEADERS, encodeEvents, eventStream } from '../event-stream.ts'
import { startOnce } from '../idempotency.ts'
import { optionalJson } from '../json-body.ts'
import {
  body,
  errors,
  IdempotencyHeader,
  IdParam,
  integer,
  json,
  PageQuery,
  page,
  repeatErrors,
  Since,
  StopRun,
  WaitSeconds,
} from '../openapi.ts'

const tags = ['runs']
const waitSeconds = WaitSeconds.optional().describe('Hold the answer back until the run is over or waits for a person.')
/** The same in a query, where numbers are text. */
const waitSecondsQuery = (description: string) => integer({ min: 0, max: 45, description }).optional()

const start = createRoute({
  method: 'post',
  path: '/runs',
  operationId: 'startRun',
  summary: 'Start a run',
  description:
    'Accepts work: once this has answered, the run is stored and will be done. A repeat with the same Idempotency-Key answers the first run, as it is by then.',
  tags,
  request: { headers: IdempotencyHeader, body: body(StartRun.extend({ wait_seconds: waitSeconds })) },
  responses: {
    201: json(Run, 'The run.'),
    ...errors(
      ...repeatErrors,
      'agent_not_found',
      'session_not_found',
      'session_agent_mismatch',
      'session_waiting',
      'agent_archived',
      'file_not_found',
      'runtime_not_found',
      'runtime_cannot',
      'secret_unresolved',
      'budget_exceeded',
      'body_too_large',
      'unsupported_media_type',
    ),
  },
})

const list = createRoute({
  method: 'get',
  path: '/runs',
  operationId: 'listRuns',
  summary: 'List runs, newest first',
  tags,
  request: {
    query: PageQuery.extend({
      agent: z.string().optional().describe('Name or id.'),
      status: RunStatus.optional(),
      session_id: z.string().optional(),
      since: Since.optional(),
    }),
  },
  responses: { 200: json(page(Run), 'A page of runs.'), ...errors('invalid_cursor', 'agent_not_found') },
})

const get = createRoute({
  method: 'get',
  path: '/runs/{id}',
  operationId: 'getRun',
  summary: 'Read a run',
  tags,
  request: {
    params: IdParam,
    query: z.object({ wait_seconds: waitSecondsQuery('Wait until the run is over or waits for a person.') }),
  },
  responses: { 200: json(Run, 'The run.'), ...errors('run_not_found') },
})

const events = createRoute({
  method: 'get',
  path: '/runs/{id}/events',
  operationId: 'listRunEvents',
  summary: 'Read a page of the log of a run, oldest first',
  description: 'Go on with `after` = `next_after` until `done` is true: then the log is complete.',
  tags,
  request: {
    params: IdParam,
    query: z.object({
      after: integer({ min: 0, description: 'Events with a higher seq; default 0.' }).optional(),
      limit: integer({ min: 1, max: 1_000, description: 'How many at most; default 100.' }).optional(),
      types: z.string().max(1_000).optional().describe('Only these types, separated by commas.'),
      wait_seconds: waitSecondsQuery('Hold an empty page back until there are events.'),
    }),
  },
  responses: { 200: json(EventPage, 'A page of events.'), ...errors('run_not_found') },
})

const stream = createRoute({
  method: 'get',
  path: '/runs/{id}/events/stream',
  operationId: 'streamRunEvents',
  summary: 'Follow the log of a run as server-sent events',
  description:
    'What is stored, then what comes, without gap or repeat. `id` is the seq, `data` one event as JSON. The stream ends after the final event; a client that comes back after that gets 204, which makes an EventSource stop.',
  tags,
  request: {
    params: IdParam,
    headers: z.object({
      'last-event-id': integer({
        min: 0,
        description: 'The seq after which to go on; an EventSource sends it by itself.',
      }).optional(),
    }),
    query: z.object({
      after: integer({ min: 0, description: 'The same, for the first connection; default 0.' }).optional(),
    }),
  },
  responses: {
    200: {
      description: 'Events, with a comment every 15 seconds when there are none.',
      content: { 'text/event-stream': { schema: z.string() } },
    },
    204: { description: 'The run is over and all of its events were seen.' },
    ...errors('run_not_found'),
  },
})

const stop = createRoute({
  method: 'post',
  path: '/runs/{id}/stop',
  operationId: 'stopRun',
  summary: 'Ask a run to stop',
  description: 'A second time changes nothing.',
  tags,
  request: {
    params: IdParam,
    headers: IdempotencyHeader,
    // Described here and read by the handler, since it may be left out.
    body: { content: { 'application/json': { schema: { $ref: '#/components/schemas/StopRun' } } } },
  },
  responses: {
    200: json(Run, 'The run; its status changes once its runtime has stopped.'),
    ...errors(...repeatErrors, 'run_not_found', 'run_finished', 'body_too_large', 'unsupported_media_type'),
  },
})

const artifacts = createRoute({
  method: 'get',
  path: '/runs/{id}/artifacts',
  operationId: 'listRunArtifacts',
  summary: 'List the files that a run made',
  tags,
  request: { params: IdParam },
  responses: {
    200: json(page(FileInfo), 'All of them; their content is at /files/{id}/content.'),
    ...errors('run_not_found'),
  },
})

export function runs(api: Api, core: Core, options: { heartbeatMs: number }): void {
  api.openapi(start, async (c) => {
    const { wait_seconds, ...input } = c.req.valid('json')
    const run = await startOnce(c, (options) => core.runs.start(c.get('actor'), input, options))
    return c.json(await settled(core, c, run, wait_seconds), 201)
  })

  api.openapi(list, async (c) => c.json(await core.runs.list(c.get('actor'), c.req.valid('query')), 200))

  api.openapi(get, async (c) => {
    const run = await core.runs.get(c.get('actor'), c.req.valid('param').id)
    return c.json(await settled(core, c, run, c.req.valid('query').wait_seconds), 200)
  })

  api.openapi(events, async (c) => {
    const { types, ...query } = c.req.valid('query')
    const wanted = types
      ?.split(',')
      .map((type) => type.trim())
      .filter((type) => type !== '')
    const found = await core.runs.events(c.get('actor'), c.req.valid('param').id, {
      limit: 100,
      ...query,
      ...(wanted === undefined ? {} : { types: wanted }),
      signal: c.req.raw.signal,
    })
    return c.json(found, 200)
  })

  api.openapi(stream, async (c) => {
    const actor = c.get('actor')
    const { id } = c.req.valid('param')
    const after = c.req.valid('header')['last-event-id'] ?? c.req.valid('query').after ?? 0
    const run = await core.runs.get(actor, id)
    if (isOver(run, after)) return c.body(null, 204)
    return c.body(watch(core, actor, id, after, options.heartbeatMs), 200, EVENT_STREAM_HEADERS)
  })

  api.openapi(stop, async (c) => {
    const { reason } = await optionalJson(c, StopRun)
    return c.json(
      await core.runs.stop(c.get('actor'), c.req.valid('param').id, reason === undefined ? {} : { reason }),
      200,
    )
  })

  api.openapi(artifacts, async (c) => {
    const data = await core.runs.artifacts(c.get('actor'), c.req.valid('param').id)
    return c.json({ data, next_cursor: null }, 200)
  })
}

/**
 * The run once it is over or waits for a person, at the latest after `seconds`; as it is without them. A run whose
 * question has just been answered still says `awaiting_input`, but has nothing pending: it goes on, and so does the wait.
 */
export async function settled(core: Core, c: Context<WebEnv>, run: Run, seconds = 0): Promise<Run> {
  const until = Date.now() + seconds * 1_000
  const { signal } = c.req.raw
  let current = run
  for (;;) {
    const waits = current.status === 'awaiting_input' && current.pending.length > 0
    const left = (until - Date.now()) / 1_000
    if (isTerminal(current.status) || waits || left <= 0 || signal.aborted) return current
    current = await core.runs.wait(c.get('actor'), run.id, { seconds: left, signal, from: current })
  }
}

/** True when nothing will ever come after `after`. */
const isOver = (run: Run, after: number): boolean => isTerminal(run.status) && after >= run.last_seq

function watch(core: Core, actor: Actor, id: string, after: number, heartbeatMs: number): ReadableStream<Uint8Array> {
  return eventStream({
    open: (signal) => core.runs.watch(actor, id, { after, signal }),
    encode: encodeEvents,
    heartbeatMs,
  })
}
