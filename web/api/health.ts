import { createRoute, z } from '@hono/zod-openapi'
import type { Core } from '../../core/index.ts'
import type { Api } from '../env.ts'
import { json } from '../openapi.ts'

const alive = createRoute({
  method: 'get',
  path: '/healthz',
  operationId: 'healthz',
  summary: 'Answers when the hub serves',
  tags: ['health'],
  security: [],
  responses: { 200: json(z.object({ status: z.literal('ok'), version: z.string() }), 'It serves.') },
})

const ready = createRoute({
  method: 'get',
  path: '/readyz',
  operationId: 'readyz',
  summary: 'Answers whether the hub can take work',
  tags: ['health'],
  security: [],
  responses: {
    200: json(z.object({ status: z.literal('ok') }), 'The database answers.'),
    503: json(z.object({ status: z.literal('unavailable'), message: z.string() }), 'It does not.'),
  },
})

export function health(api: Api, core: Core): void {
  api.openapi(alive, (c) => c.json({ status: 'ok' as const, version: core.version }, 200))
  api.openapi(ready, async (c) => {
    const state = await core.ready()
    if (state.ok) return c.json({ status: 'ok' as const }, 200)
    return c.json({ status: 'unavailable' as const, message: core.scrub(state.message) }, 503)
  })
}
