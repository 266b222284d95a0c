import { createRoute, z } from '@hono/zod-openapi'
import { type Core, Run, SendMessage, Session } from '../../core/index.ts'
import type { Api } from '../env.ts'
import { startOnce } from '../idempotency.ts'
import {
  body,
  errors,
  IdempotencyHeader,
  IdParam,
  json,
  PageQuery,
  page,
  repeatErrors,
  WaitSeconds,
} from '../openapi.ts'
import { settled } from './runs.ts'

const tags = ['sessions']

const list = createRoute({
  method: 'get',
  path: '/sessions',
  operationId: 'listSessions',
  summary: 'List sessions, newest first',
  tags,
  request: {
    query: PageQuery.extend({
      agent: z.string().optional().describe('Name or id.'),
      status: Session.shape.status.optional(),
    }),
  },
  responses: { 200: json(page(Session), 'A page of sessions.'), ...errors('invalid_cursor', 'agent_not_found') },
})

const get = createRoute({
  method: 'get',
  path: '/sessions/{id}',
  operationId: 'getSession',
  summary: 'Read a session',
  tags,
  request: { params: IdParam },
  responses: { 200: json(Session, 'The session.'), ...errors('session_not_found') },
})

const send = createRoute({
  method: 'post',
  path: '/sessions/{id}/messages',
  operationId: 'sendMessage',
  summary: 'Say something to a session',
  description:
    '`queue` makes a new run after the others; `steer` speaks into the run at work, which is answered; `interrupt` stops that run and starts a new one. While the session waits for the answer to a question, the message is that answer.',
  tags,
  request: {
    params: IdParam,
    headers: IdempotencyHeader,
    body: body(
      SendMessage.extend({
        wait_seconds: WaitSeconds.optional().describe(
          'Hold the answer back until the run is over or waits for a person.',
        ),
      }),
    ),
  },
  responses: {
    201: json(Run, 'The run that the message went to.'),
    ...errors(
      ...repeatErrors,
      'session_not_found',
      'session_waiting',
      'agent_archived',
      'file_not_found',
      'runtime_not_found',
      'runtime_cannot',
      'secret_unresolved',
      'budget_exceeded',
      'run_finished',
      'body_too_large',
      'unsupported_media_type',
    ),
  },
})

const update = createRoute({
  method: 'post',
  path: '/sessions/{id}/update',
  operationId: 'updateSession',
  summary: "Move a session to its agent's current version",
  description: 'It counts from the next run on.',
  tags,
  request: { params: IdParam, headers: IdempotencyHeader },
  responses: {
    200: json(Session, 'The session.'),
    ...errors(...repeatErrors, 'session_not_found', 'agent_archived', 'runtime_cannot'),
  },
})

export function sessions(api: Api, core: Core): void {
  api.openapi(list, async (c) => c.json(await core.sessions.list(c.get('actor'), c.req.valid('query')), 200))

  api.openapi(get, async (c) => c.json(await core.sessions.get(c.get('actor'), c.req.valid('param').id), 200))

  api.openapi(send, async (c) => {
    const { wait_seconds, ...input } = c.req.valid('json')
    const { id } = c.req.valid('param')
    const run = await startOnce(c, (options) => core.sessions.send(c.get('actor'), id, input, options))
    return c.json(await settled(core, c, run, wait_seconds), 201)
  })

  api.openapi(update, async (c) => c.json(await core.sessions.update(c.get('actor'), c.req.valid('param').id), 200))
}
