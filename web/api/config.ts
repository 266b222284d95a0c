import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type Core, HubError } from '../../core/index.ts'
import type { Api } from '../env.ts'
import { jsonObject } from '../json-body.ts'
import { errors, IdempotencyHeader, json, Plan, Problem, repeatErrors } from '../openapi.ts'

const tags = ['config']

/** signalbox.yaml as it is, or inside JSON. */
const request = {
  body: {
    required: true as const,
    content: {
      'application/yaml': { schema: { type: 'string' as const } },
      'application/json': {
        schema: {
          type: 'object' as const,
          properties: { yaml: { type: 'string' as const } },
          required: ['yaml'],
          additionalProperties: false,
        },
      },
    },
  },
}

const validate = createRoute({
  method: 'post',
  path: '/config/validate',
  operationId: 'validateConfig',
  summary: 'Check a signalbox.yaml',
  tags,
  request,
  responses: {
    200: json(z.object({ problems: z.array(Problem) }), 'All problems, with line and column; none: it can be applied.'),
    ...errors('body_too_large', 'unsupported_media_type'),
  },
})

const plan = createRoute({
  method: 'post',
  path: '/config/plan',
  operationId: 'planConfig',
  summary: 'See what applying a signalbox.yaml would change',
  tags,
  request,
  responses: {
    200: json(Plan, 'The plan; nothing was changed.'),
    ...errors('invalid_config', 'body_too_large', 'unsupported_media_type'),
  },
})

const apply = createRoute({
  method: 'post',
  path: '/config/apply',
  operationId: 'applyConfig',
  summary: 'Apply a signalbox.yaml: all of it or nothing',
  tags,
  request: { ...request, headers: IdempotencyHeader },
  responses: {
    200: json(Plan, 'What was changed.'),
    ...errors(...repeatErrors, 'invalid_config', 'in_use', 'name_taken', 'body_too_large', 'unsupported_media_type'),
  },
})

export function config(api: Api, core: Core): void {
  api.openapi(validate, async (c) => {
    return c.json({ problems: await core.config.validate(c.get('actor'), await yamlOf(c)) }, 200)
  })
  api.openapi(plan, async (c) => c.json(await core.config.plan(c.get('actor'), await yamlOf(c)), 200))
  api.openapi(apply, async (c) => c.json(await core.config.apply(c.get('actor'), await yamlOf(c)), 200))
}

async function yamlOf(c: Context): Promise<string> {
  const type = c.req.header('content-type') ?? ''
  if (/^(application\/(x-)?yaml|text\/(x-)?yaml|text\/plain)\s*(;|$)/i.test(type)) return await c.req.text()
  if (!/json/i.test(type)) {
    throw new HubError(
      'unsupported_media_type',
      `This route takes YAML or JSON, not ${type || 'a body without a content type'}.`,
      {
        hint: 'Send the file with `content-type: application/yaml`, or `{"yaml": "..."}` as JSON.',
      },
    )
  }
  const { yaml } = await jsonObject(c)
  if (typeof yaml !== 'string') throw new HubError('invalid_request', 'body.yaml: must be the text of the file')
  return yaml
}
