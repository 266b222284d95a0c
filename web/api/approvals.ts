import { createRoute, z } from '@hono/zod-openapi'
import { Approval, ApprovalStatus, type Core, Decision } from '../../core/index.ts'
import type { Api } from '../env.ts'
import { body, errors, IdempotencyHeader, IdParam, json, PageQuery, page, repeatErrors } from '../openapi.ts'

const tags = ['approvals']

const list = createRoute({
  method: 'get',
  path: '/approvals',
  operationId: 'listApprovals',
  summary: 'List what runs wait for, newest first',
  tags,
  request: { query: PageQuery.extend({ status: ApprovalStatus.optional(), run_id: z.string().optional() }) },
  responses: { 200: json(page(Approval), 'A page of approvals.'), ...errors('invalid_cursor') },
})

const get = createRoute({
  method: 'get',
  path: '/approvals/{id}',
  operationId: 'getApproval',
  summary: 'Read an approval',
  tags,
  request: { params: IdParam },
  responses: { 200: json(Approval, 'The approval.'), ...errors('approval_not_found') },
})

const decide = createRoute({
  method: 'post',
  path: '/approvals/{id}/decision',
  operationId: 'decideApproval',
  summary: 'Decide an approval',
  description: 'It is decided once; the same decision again answers what is, another one is `approval_decided`.',
  tags,
  request: { params: IdParam, headers: IdempotencyHeader, body: body(Decision) },
  responses: {
    200: json(Approval, 'The approval as it now is.'),
    ...errors(
      ...repeatErrors,
      'approval_not_found',
      'approval_decided',
      'approval_expired',
      'body_too_large',
      'unsupported_media_type',
    ),
  },
})

export function approvals(api: Api, core: Core): void {
  api.openapi(list, async (c) => c.json(await core.approvals.list(c.get('actor'), c.req.valid('query')), 200))

  api.openapi(get, async (c) => c.json(await core.approvals.get(c.get('actor'), c.req.valid('param').id), 200))

  api.openapi(decide, async (c) => {
    return c.json(await core.approvals.decide(c.get('actor'), c.req.valid('param').id, c.req.valid('json')), 200)
  })
}
