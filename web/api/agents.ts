import { z } from '@hono/zod-openapi'
import type { Core } from '../../core/index.ts'
import type { Api } from '../env.ts'
import { Agent } from '../openapi.ts'
import { declaredRoutes } from './declared.ts'

export function agents(api: Api, core: Core): void {
  declaredRoutes(
    api,
    {
      one: 'agent',
      many: 'agents',
      component: 'Agent',
      schema: Agent,
      query: {
        query: z.string().max(200).optional().describe('A part of the name or description.'),
        runtime: z.string().optional().describe('Bound to the runtime of this name.'),
      },
      notFound: 'agent_not_found',
      refusals: ['runtime_not_found', 'runtime_cannot', 'team_not_found'],
    },
    core.agents,
  )
}
