import { createRoute, z } from '@hono/zod-openapi'
import { type Core, Token } from '../../core/index.ts'
import type { Api } from '../env.ts'
import { once } from '../idempotency.ts'
import { body, errors, IdempotencyHeader, IdParam, json, page, repeatErrors } from '../openapi.ts'

const tags = ['tokens']

const NewToken = z.strictObject({
  name: z.string().min(1).max(100).describe('What it is for.'),
  user: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe('Name or id; another user than yourself takes an administrator.'),
  expires_in_days: z.number().int().min(1).max(3_650).optional(),
})

const create = createRoute({
  method: 'post',
  path: '/tokens',
  operationId: 'createToken',
  summary: 'Make a token',
  tags,
  request: { headers: IdempotencyHeader, body: body(NewToken) },
  responses: {
    201: json(
      Token.extend({
        token: z
          .string()
          .nullable()
          .describe('The token. It is shown this once: a repeat with the same Idempotency-Key has null here.'),
      }),
      'The token.',
    ),
    ...errors(...repeatErrors, 'user_not_found', 'body_too_large', 'unsupported_media_type'),
  },
})

const list = createRoute({
  method: 'get',
  path: '/tokens',
  operationId: 'listTokens',
  summary: 'List tokens that are valid',
  tags,
  responses: { 200: json(page(Token), 'All of yours; of everybody for an administrator.'), ...errors() },
})

const revoke = createRoute({
  method: 'delete',
  path: '/tokens/{id}',
  operationId: 'revokeToken',
  summary: 'Revoke a token, at once',
  tags,
  request: { params: IdParam },
  responses: { 204: { description: 'It is no longer accepted.' }, ...errors('token_not_found') },
})

export function tokens(api: Api, core: Core): void {
  api.openapi(create, async (c) => {
    const input = c.req.valid('json')
    let made: (Token & { token: string }) | undefined
    // What is kept for a repeat is without the token: nothing stored may hold one.
    const replayed = await once(core, c, [JSON.stringify(input)], async () => {
      made = await core.tokens.create(c.get('actor'), input)
      return { status: 201, body: { ...made, token: null } }
    })
    // `once` answers by itself only for a repeat, and a repeat is of this route.
    return made === undefined ? (replayed as never) : c.json(made, 201)
  })

  api.openapi(list, async (c) => c.json({ data: await core.tokens.list(c.get('actor')), next_cursor: null }, 200))

  api.openapi(revoke, async (c) => {
    await core.tokens.revoke(c.get('actor'), c.req.valid('param').id)
    return c.body(null, 204)
  })
}
