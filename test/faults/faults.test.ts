import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { needsPostgres, postgresServerUrl, testPostgres } from '../postgres.ts'
import { type Faults, runFaults } from './scenario.ts'

/** `npm test` of a person should be quick: few kills there, all of them in CI. */
const kills = process.env.SIGNALBOX_REQUIRE_ALL ? 30 : 5
const MINUTES = 60_000

/** The seed is in the failure, so that the same choices can be made again: SIGNALBOX_FAULT_SEED=... */
const seed = Number(process.env.SIGNALBOX_FAULT_SEED ?? randomInt(1_000_000))

async function survives(faults: Omit<Faults, 'kills' | 'seed'>): Promise<void> {
  const { problems, figures, folder } = await runFaults({ ...faults, kills, seed })
  const report = { seed, figures, logs: problems.length > 0 ? folder : null }
  expect(problems, JSON.stringify(report)).toEqual([])
  // The load must have been there: a hub that answers nothing keeps every promise.
  expect(figures.requests, JSON.stringify(report)).toBeGreaterThan(kills)
  expect(figures.succeeded, JSON.stringify(report)).toBeGreaterThan(0)
  expect(figures.reconnects, JSON.stringify(report)).toBeGreaterThan(0)
}

test(`a hub that is killed ${kills} times loses nothing, does nothing twice and tells everything in order`, {
  timeout: 8 * MINUTES,
}, async () => {
  await survives({ replicas: 1 })
})

test.skipIf(postgresServerUrl === null)(
  `the same of two replicas on one Postgres, killed one at a time (${needsPostgres})`,
  { timeout: 8 * MINUTES },
  async () => {
    const database = (await testPostgres())!
    try {
      await survives({ replicas: 2, databaseUrl: database.url })
    } finally {
      await database.drop()
    }
  },
)
