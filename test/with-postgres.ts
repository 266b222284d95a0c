/**
 * Runs a command while a Postgres server of our own is up: `npx tsx test/with-postgres.ts npm test`.
 * The command finds it in SIGNALBOX_TEST_POSTGRES; its exit code is ours.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { startPostgresServer } from './postgres-server.ts'

const [command, ...args] = process.argv.slice(2)
if (!command) throw new Error('usage: npx tsx test/with-postgres.ts COMMAND [ARGUMENT...]')

const server = await startPostgresServer()
if (!server) throw new Error('no Postgres here: install the package postgresql')
const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, SIGNALBOX_TEST_POSTGRES: server.url } })
// The command gets the signal from the terminal as well; we wait for its end, so that the server outlives it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
const [code, signal] = await once(child, 'exit')
await server.stop()
process.exit(signal ? 1 : code)
