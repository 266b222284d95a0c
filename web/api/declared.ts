import { createRoute, type z } from '@hono/zod-openapi'
import {
  type Agent,
  type Declared,
  type ErrorCode,
  type RuntimeInfo,
  type Schedule,
  Version,
} from '../../core/index.ts'
import type { Api } from '../env.ts'
import { jsonObject } from '../json-body.ts'
import { describedBody, errors, IdempotencyHeader, json, PageQuery, page, RefParam, repeatErrors } from '../openapi.ts'

type Noun = {
  one: 'agent' | 'runtime' | 'schedule'
  many: 'agents' | 'runtimes' | 'schedules'
  component: 'Agent' | 'Runtime' | 'Schedule'
  schema: z.ZodType
  /** Filters of the list. */
  query: z.ZodRawShape
  notFound: ErrorCode
  /** What the definition may refer to, and what may be wrong with it. */
  refusals: ErrorCode[]
}

/** The six routes that agents, runtimes and schedules have in common. Core parses the bodies. */
export function declaredRoutes(api: Api, noun: Noun, declared: Declared<Agent | RuntimeInfo | Schedule>): void {
  const { one, many, component, schema, notFound } = noun
  const tags = [many]
  const collection = `/${many}`
  const item = `/${many}/{id}`
  const refusals: ErrorCode[] = [...noun.refusals, 'body_too_large', 'unsupported_media_type']

  const list = createRoute({
    method: 'get',
    path: collection,
    operationId: `list${component}s`,
    summary: `List ${many}, by name`,
    tags,
    request: { query: PageQuery.extend(noun.query) },
    responses: { 200: json(page(schema), `A page of ${many}.`), ...errors('invalid_cursor') },
  })
  const create = createRoute({
    method: 'post',
    path: collection,
    operationId: `create${component}`,
    summary: `Register ${one === 'agent' ? 'an' : 'a'} ${one}`,
    tags,
    request: { headers: IdempotencyHeader, body: describedBody(`New${component}`) },
    responses: { 201: json(schema, `The ${one}.`), ...errors(...repeatErrors, 'name_taken', ...refusals) },
  })
  const get = createRoute({
    method: 'get',
    path: item,
    operationId: `get${component}`,
    summary: `Read ${one === 'agent' ? 'an' : 'a'} ${one}`,
    tags,
    request: { params: RefParam },
    responses: { 200: json(schema, `The ${one}.`), ...errors(notFound) },
  })
  const update = createRoute({
    method: 'patch',
    path: item,
    operationId: `update${component}`,
    summary: `Change ${one === 'agent' ? 'an' : 'a'} ${one}`,
    description: 'Replaces the fields that are sent; null removes one. Each change makes a new version.',
    tags,
    request: { params: RefParam, body: describedBody(`${component}Change`) },
    responses: {
      200: json(schema, `The ${one} as it now is.`),
      ...errors(notFound, 'version_conflict', 'managed_by_config', ...refusals),
    },
  })
  const remove = createRoute({
    method: 'delete',
    path: item,
    operationId: `delete${component}`,
    summary: `Delete ${one === 'agent' ? 'an' : 'a'} ${one}`,
    description: 'Its history stays; its name is free again.',
    tags,
    request: { params: RefParam },
    responses: { 204: { description: 'It is gone.' }, ...errors(notFound, 'in_use', 'managed_by_config') },
  })
  const versions = createRoute({
    method: 'get',
    path: `${item}/versions`,
    operationId: `list${component}Versions`,
    summary: `List the versions of ${one === 'agent' ? 'an' : 'a'} ${one}, newest first`,
    tags,
    request: { params: RefParam, query: PageQuery },
    responses: { 200: json(page(Version), 'A page of versions.'), ...errors(notFound, 'invalid_cursor') },
  })

  api.openapi(list, async (c) => c.json(await declared.list(c.get('actor'), c.req.valid('query')), 200))
  api.openapi(create, async (c) => {
    const input = await jsonObject(c)
    // Core parses the name with the rest.
    return c.json(await declared.create(c.get('actor'), input as { name: string }), 201)
  })
  api.openapi(get, async (c) => c.json(await declared.get(c.get('actor'), c.req.valid('param').id), 200))
  api.openapi(update, async (c) => {
    return c.json(await declared.update(c.get('actor'), c.req.valid('param').id, await jsonObject(c)), 200)
  })
  api.openapi(remove, async (c) => {
    await declared.remove(c.get('actor'), c.req.valid('param').id)
    return c.body(null, 204)
  })
  api.openapi(versions, async (c) => {
    return c.json(await declared.versions(c.get('actor'), c.req.valid('param').id, c.req.valid('query')), 200)
  })
}
