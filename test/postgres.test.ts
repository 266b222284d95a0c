import postgres from 'postgres'
import { expect, test } from 'vitest'
import { needsPostgres, postgresServerUrl, testPostgres } from './postgres.ts'

test.skipIf(postgresServerUrl === null)(
  `a test database is empty, durable and gone afterwards (${needsPostgres})`,
  async () => {
    const database = (await testPostgres())!
    const sql = postgres(database.url, { max: 1 })
    const [settings] =
      await sql`select current_setting('fsync') as fsync, (select count(*)::int from pg_tables where schemaname = 'public') as tables`
    expect(settings).toEqual({ fsync: 'on', tables: 0 })
    // Dropped while a connection is still open, as a test that failed leaves it.
    await database.drop()
    await expect(sql`select 1`).rejects.toThrow(/terminating connection|closed|does not exist/i)
    await sql.end()
    const again = postgres(database.url, { max: 1 })
    await expect(again`select 1`).rejects.toThrow(/does not exist/)
    await again.end()
  },
)
