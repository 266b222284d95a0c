import type { Context } from 'hono'
import type * as z from 'zod'
import { HubError } from '../core/index.ts'
import { invalidRequest } from './errors.ts'

/** The JSON in a body that may be left out, whatever the content type then says: many clients always send one. */
export async function optionalJson<T extends z.ZodType>(c: Context, schema: T): Promise<z.output<T>> {
  const value = (await c.req.text()) === '' ? {} : await jsonObject(c)
  const result = schema.safeParse(value)
  if (!result.success) throw invalidRequest('body', result.error)
  return result.data
}

/** The JSON object in the body, for routes whose body core parses. Throws unsupported_media_type, invalid_request. */
export async function jsonObject(c: Context): Promise<Record<string, unknown>> {
  const type = c.req.header('content-type') ?? ''
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type)) {
    throw new HubError(
      'unsupported_media_type',
      `This route takes JSON, not ${type || 'a body without a content type'}.`,
    )
  }
  let value: unknown
  try {
    value = await c.req.json()
  } catch (cause) {
    throw new HubError('invalid_request', 'The body is not JSON.', { cause })
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new HubError('invalid_request', 'The body must be a JSON object.')
  }
  // An object that is no array has string keys; their values stay unknown.
  return value as Record<string, unknown>
}
