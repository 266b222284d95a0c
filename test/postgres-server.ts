import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from './free-port.ts'

export type PostgresServer = {
  /** Of the database `postgres`, as its superuser, who may make others. */
  url: string
  /** Ends the server and removes its folder. */
  stop(): Promise<void>
}

/**
 * A Postgres server of our own on 127.0.0.1, durable as by default (fsync on), empty, in a folder under the system's temporary one.
 * Null where no Postgres is installed. As root it runs as another user, since Postgres refuses to run as root.
 */
export async function startPostgresServer(): Promise<PostgresServer | null> {
  const programs = findPrograms()
  if (programs === null) return null
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-postgres-'))
  const owner = process.getuid?.() === 0 ? ordinaryUser() : undefined
  if (owner) chownSync(folder, owner.uid, owner.gid)
  const data = join(folder, 'data')
  const options = { ...owner, cwd: folder, env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' } }

  const prepare = spawn(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale'],
    options,
  )
  await succeeded(prepare)

  const port = await freePort()
  const server = spawn(
    join(programs, 'postgres'),
    ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${folder}`],
    options,
  )
  await saysReady(server)
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      if (server.exitCode === null && server.signalCode === null) {
        const exit = once(server, 'exit')
        // SIGINT: ends sessions and shuts down in order.
        server.kill('SIGINT')
        await exit
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The newest installed release; Debian keeps the server's programs out of PATH. */
function findPrograms(): string | null {
  const debian = '/usr/lib/postgresql'
  const releases = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...releases.map((release) => join(debian, release, 'bin')), ...(process.env.PATH ?? '').split(':')]
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres'))) ?? null
}

function ordinaryUser(): { uid: number; gid: number } {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  if (!user) throw new Error('Postgres does not run as root, and there is neither a user postgres nor nobody.')
  return { uid: Number(user[2]), gid: Number(user[3]) }
}

async function succeeded(child: ChildProcess): Promise<void> {
  let output = ''
  child.stdout?.resume()
  child.stderr?.on('data', (chunk) => {
    output += chunk
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`initdb ended with ${code}: ${output}`)
}

async function saysReady(server: ChildProcess): Promise<void> {
  server.stdout?.resume()
  const log: string[] = []
  const lines = createInterface({ input: server.stderr! })
  await new Promise<void>((resolve, reject) => {
    server.once('exit', (code) => reject(new Error(`Postgres ended with ${code}:\n${log.join('\n')}`)))
    server.once('error', reject)
    lines.on('line', (line) => {
      // Read on after the start, or the server blocks on a full pipe.
      if (log.length < 100) log.push(line)
      if (line.includes('database system is ready to accept connections')) resolve()
    })
  })
}
