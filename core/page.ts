import { HubError } from './errors.ts'
import type { Page } from './shapes.ts'

/** A list is read with one row more than asked for; that row tells whether there is a next page. */
export function toPage<Row, T>(rows: Row[], limit: number, key: (row: Row) => string, shape: (row: Row) => T): Page<T> {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  const more = rows.length > limit && last !== undefined
  return { data: page.map(shape), next_cursor: more ? Buffer.from(key(last)).toString('base64url') : null }
}

/** The key after which a page begins. Throws invalid_cursor for what is not one of ours. */
export function fromCursor(cursor: string | undefined): string | null {
  if (cursor === undefined) return null
  const key = Buffer.from(cursor, 'base64url').toString('utf8')
  if (!/^[a-z0-9_-]{1,80}$/.test(key)) throw new HubError('invalid_cursor', 'The cursor is not one that this hub gave.')
  return key
}

export const pageSize = (limit: number | undefined): number => Math.min(200, Math.max(1, Math.trunc(limit ?? 50)))
