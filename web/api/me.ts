import { createRoute, z } from '@hono/zod-openapi'
import type { Api } from '../env.ts'
import { errors, json } from '../openapi.ts'

const Me = z.object({ user_id: z.string(), name: z.string(), admin: z.boolean(), teams: z.array(z.string()) })

const get = createRoute({
  method: 'get',
  path: '/me',
  operationId: 'getMe',
  summary: 'Whose token this is',
  tags: ['tokens'],
  responses: { 200: json(Me, 'You.'), ...errors() },
})

export function me(api: Api): void {
  api.openapi(get, (c) => {
    const { userId, name, admin, teams } = c.get('actor')
    return c.json({ user_id: userId, name, admin, teams }, 200)
  })
}
