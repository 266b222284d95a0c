import type * as z from 'zod'
import { HubError } from './errors.ts'

/** Parses what came from outside; every problem at once, as `details: {path, message}[]` of invalid_request. */
export function parse<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const details = result.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }))
  const listed = details.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; ')
  throw new HubError('invalid_request', `${what} is not valid: ${listed}`, { details })
}
