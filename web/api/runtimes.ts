import { createRoute, z } from '@hono/zod-openapi'
import { type Core, Health, HubError } from '../../core/index.ts'
import type { Api } from '../env.ts'
import {
  errors,
  IdempotencyHeader,
  IdParam,
  json,
  openErrors,
  page,
  RefParam,
  RuntimeInfo,
  repeatErrors,
} from '../openapi.ts'
import { declaredRoutes } from './declared.ts'

const kinds = createRoute({
  method: 'get',
  path: '/runtimes/kinds',
  operationId: 'listRuntimeKinds',
  summary: 'List the kinds of runtime that this hub knows',
  tags: ['runtimes'],
  responses: { 200: json(page(z.object({ kind: z.string(), title: z.string() })), 'All of them.'), ...errors() },
})

const check = createRoute({
  method: 'post',
  path: '/runtimes/{id}/check',
  operationId: 'checkRuntime',
  summary: 'Ask a runtime how it is, now',
  tags: ['runtimes'],
  request: { params: RefParam, headers: IdempotencyHeader },
  responses: {
    200: json(Health, 'What it said; a runtime that is down is an answer too.'),
    ...errors(...repeatErrors, 'runtime_not_found'),
  },
})

export function runtimes(api: Api, core: Core): void {
  // Before /runtimes/{id}, which would take `kinds` for a name.
  api.openapi(kinds, (c) => c.json({ data: core.runtimes.kinds(), next_cursor: null }, 200))

  declaredRoutes(
    api,
    {
      one: 'runtime',
      many: 'runtimes',
      component: 'Runtime',
      schema: RuntimeInfo,
      query: { query: z.string().max(200).optional().describe('A part of the name or description.') },
      notFound: 'runtime_not_found',
      refusals: ['runtime_cannot', 'team_not_found', 'secret_unresolved'],
    },
    core.runtimes,
  )

  api.openapi(check, async (c) => c.json(await core.runtimes.check(c.get('actor'), c.req.valid('param').id), 200))
}

const callback = createRoute({
  method: 'post',
  path: '/runtimes/{id}/callback',
  operationId: 'receiveRuntimeCallback',
  summary: 'Take what a runtime posts back about its runs',
  description:
    'For runtimes, not for people: the adapter of its kind checks the signature. What comes twice is stored once.',
  tags: ['runtimes'],
  security: [],
  request: { params: IdParam },
  responses: {
    204: { description: 'It is stored.' },
    ...openErrors(
      'unauthenticated',
      'invalid_request',
      'runtime_not_found',
      'run_not_found',
      'runtime_cannot',
      'body_too_large',
    ),
  },
})

/** Registered before authentication: a callback carries a signature instead of a token. */
export function runtimeCallbacks(api: Api, core: Core): void {
  api.openapi(callback, async (c) => {
    const { status } = await core.receiveCallback(c.req.valid('param').id, c.req.raw)
    if (status === 404) throw new HubError('run_not_found', 'The callback is about a run that is not known here.')
    if (status >= 400) throw new HubError('unauthenticated', 'The callback was not accepted.')
    return c.body(null, 204)
  })
}
