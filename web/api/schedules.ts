import { createRoute, z } from '@hono/zod-openapi'
import { type Core, Run } from '../../core/index.ts'
import type { Api } from '../env.ts'
import { startOnce } from '../idempotency.ts'
import { errors, IdempotencyHeader, json, RefParam, repeatErrors, Schedule } from '../openapi.ts'
import { declaredRoutes } from './declared.ts'

const runNow = createRoute({
  method: 'post',
  path: '/schedules/{id}/run',
  operationId: 'runSchedule',
  summary: 'Run a schedule now',
  description: 'Besides its times; they stay as they are.',
  tags: ['schedules'],
  request: { params: RefParam, headers: IdempotencyHeader },
  responses: {
    201: json(Run, 'The run.'),
    ...errors(
      ...repeatErrors,
      'schedule_not_found',
      'agent_not_found',
      'runtime_not_found',
      'runtime_cannot',
      'secret_unresolved',
      'budget_exceeded',
    ),
  },
})

export function schedules(api: Api, core: Core): void {
  declaredRoutes(
    api,
    {
      one: 'schedule',
      many: 'schedules',
      component: 'Schedule',
      schema: Schedule,
      query: { agent: z.string().optional().describe('Of the agent of this name.') },
      notFound: 'schedule_not_found',
      refusals: ['agent_not_found'],
    },
    core.schedules,
  )

  api.openapi(runNow, async (c) => {
    const { id } = c.req.valid('param')
    return c.json(await startOnce(c, (options) => core.schedules.runNow(c.get('actor'), id, options)), 201)
  })
}
