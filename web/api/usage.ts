import { createRoute, z } from '@hono/zod-openapi'
import { type Core, UsageBy, UsageReport } from '../../core/index.ts'
import type { Api } from '../env.ts'
import { errors, json, Since } from '../openapi.ts'

const report = createRoute({
  method: 'get',
  path: '/usage',
  operationId: 'getUsage',
  summary: 'Add up tokens and cost',
  tags: ['usage'],
  request: { query: z.object({ by: UsageBy.default('agent'), since: Since.optional() }) },
  responses: { 200: json(UsageReport, 'One row a key.'), ...errors() },
})

export function usage(api: Api, core: Core): void {
  api.openapi(report, async (c) => c.json(await core.usage(c.get('actor'), c.req.valid('query')), 200))
}
