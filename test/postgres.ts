import { randomBytes } from 'node:crypto'
import postgres from 'postgres'

/** The server for tests, as given in the environment; null: tests that need one are skipped, by a name that says so. */
export const postgresServerUrl: string | null = process.env.SIGNALBOX_TEST_POSTGRES || null

/** What a skipped test says in its name. */
export const needsPostgres = 'needs SIGNALBOX_TEST_POSTGRES'

export type TestDatabase = {
  url: string
  /** Ends whoever is still connected and removes the database. */
  drop(): Promise<void>
}

/** A fresh, empty database on the server named by SIGNALBOX_TEST_POSTGRES, or null without one. */
export async function testPostgres(): Promise<TestDatabase | null> {
  return postgresServerUrl === null ? null : createDatabase(postgresServerUrl)
}

/** A fresh, empty database on this server; the user of the URL may make databases. */
export async function createDatabase(serverUrl: string): Promise<TestDatabase> {
  const name = `signalbox_test_${randomBytes(8).toString('hex')}`
  await onServer(serverUrl, (sql) => sql.unsafe(`create database ${name}`))
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return {
    url: url.href,
    drop: () => onServer(serverUrl, (sql) => sql.unsafe(`drop database if exists ${name} with (force)`)),
  }
}

async function onServer(url: string, statement: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await statement(sql)
  } finally {
    await sql.end()
  }
}
