import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { openDatabase } from './database.ts'
import { faultMessage, faultTrace } from './errors.ts'

test('a query that failed is told without its parameters, which may be anything that people wrote', async () => {
  const { db, close } = await openDatabase({})
  try {
    const error: unknown = await db.execute(sql`select ${'my private words'}::int`).catch((caught: unknown) => caught)
    expect(String(error)).toContain('my private words')
    for (const text of [faultMessage(error), faultTrace(error)]) {
      expect(text).toContain('a query failed')
      expect(text).not.toContain('params')
    }
    expect(faultTrace(error)).toMatch(/\n\s+at /)
  } finally {
    await close()
  }
})
