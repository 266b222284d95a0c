/**
 * Hundreds of kills: `npm run soak`, `npm run soak -- --kills 1000 --seed 42 --replicas 2`.
 * With two or more replicas it starts a Postgres server of its own, or takes SIGNALBOX_TEST_POSTGRES.
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { createDatabase, postgresServerUrl } from '../postgres.ts'
import { startPostgresServer } from '../postgres-server.ts'
import { type FaultReport, runFaults } from './scenario.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '300' },
    seed: { type: 'string', default: String(randomInt(1_000_000)) },
    replicas: { type: 'string', default: '1' },
    clients: { type: 'string', default: '10' },
  },
})
const faults = {
  kills: Number(values.kills),
  seed: Number(values.seed),
  replicas: Number(values.replicas),
  clients: Number(values.clients),
  log: (line: string) => console.log(line),
}
console.log(`seed ${faults.seed}, ${faults.kills} kills, ${faults.replicas} replica(s)`)
const report = faults.replicas === 1 ? await runFaults(faults) : await onPostgres()
console.log(report.figures)
for (const problem of report.problems) console.error(problem)
console.log(
  report.problems.length === 0
    ? 'every promise was kept'
    : `${report.problems.length} broken promises; logs in ${report.folder}`,
)
process.exitCode = report.problems.length === 0 ? 0 : 1

async function onPostgres(): Promise<FaultReport> {
  const server = postgresServerUrl === null ? await startPostgresServer() : null
  const url = postgresServerUrl ?? server?.url
  if (!url)
    throw new Error('Replicas share a Postgres: install the package postgresql, or set SIGNALBOX_TEST_POSTGRES.')
  const database = await createDatabase(url)
  try {
    return await runFaults({ ...faults, databaseUrl: database.url })
  } finally {
    await database.drop()
    await server?.stop()
  }
}
