/**
 * `npm run bench`: every measurement, one after the other, a line a figure. `npm run bench -- stop queue` runs some of them,
 * `npm run bench -- --write` puts the figures into docs/benchmarks.md as well. With a Postgres installed, or
 * SIGNALBOX_TEST_POSTGRES set, what depends on the database is measured on both.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { postgresServerUrl } from '../test/postgres.ts'
import { type PostgresServer, startPostgresServer } from '../test/postgres-server.ts'
import { bench as fanOut } from './fan-out.ts'
import { bench as firstEvent } from './first-event.ts'
import type { Bench, Line, Place } from './line.ts'
import { readMachine } from './machine.ts'
import { bench as mcp } from './mcp.ts'
import { bench as memory } from './memory.ts'
import { bench as sessions } from './opencode-sessions.ts'
import { bench as queue } from './queue.ts'
import { toText, withFigures } from './report.ts'
import { bench as stop } from './stop.ts'

const sections: { title: string; benches: Bench[] }[] = [
  { title: 'From request to event', benches: [firstEvent] },
  { title: 'From stop to runtime', benches: [stop] },
  { title: 'Queue', benches: [queue] },
  { title: 'Events written and fanned out', benches: [fanOut] },
  { title: 'MCP', benches: [mcp] },
  { title: 'Memory of the hub', benches: [memory] },
  { title: 'Sessions of the inline harness', benches: [sessions] },
]

const { values, positionals } = parseArgs({
  options: { write: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const names = sections.flatMap(({ benches }) => benches.map(({ name }) => name))
const unknown = positionals.filter((name) => !names.includes(name))
if (unknown.length > 0) throw new Error(`There is no measurement ${unknown.join(', ')}; there are ${names.join(', ')}.`)
if (values.write && positionals.length > 0)
  throw new Error('--write takes all measurements: figures of different days do not belong on one page.')

const machine = readMachine()
const own: PostgresServer | null = postgresServerUrl === null ? await startPostgresServer() : null
const postgresUrl = postgresServerUrl ?? own?.url
const places: Place[] = [
  { name: 'PGlite', databaseUrl: null },
  ...(postgresUrl === undefined ? [] : [{ name: 'Postgres' as const, databaseUrl: postgresUrl }]),
]
if (postgresUrl === undefined) console.log('No Postgres here: PGlite alone is measured.')

const figures: { title: string; lines: Line[] }[] = []
try {
  for (const { title, benches } of sections) {
    const lines: Line[] = []
    for (const bench of benches.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
      for (const place of bench.places ? places : places.slice(0, 1)) {
        for (const line of await bench.run(place)) {
          lines.push(line)
          console.log(toText(line))
        }
      }
    }
    if (lines.length > 0) figures.push({ title, lines })
  }
} finally {
  await own?.stop()
}

if (values.write) {
  const page = new URL('../docs/benchmarks.md', import.meta.url)
  writeFileSync(page, withFigures(readFileSync(page, 'utf8'), figures, machine))
}
