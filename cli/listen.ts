import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import type { Log } from '../core/index.ts'
import { isErrno } from './data-folder.ts'
import { CliError, exitCode } from './exit-code.ts'

type FetchCallback = Parameters<typeof serve>[0]['fetch']

export const DEFAULT_PORT = 4000
/** How many ports after the usual one are tried. */
const TRIES = 100

export type Listening = {
  port: number
  /** True when the usual port was taken and another one is used. */
  moved: boolean
  /** Takes no more requests, lets those at work end for `graceMs`, then closes their connections. */
  close(graceMs: number): Promise<void>
}

/**
 * Listens at host and port. Without a port: 4000, or the next free one. A port that was asked for is never another one:
 * `port_in_use` then.
 */
export async function listen(
  answer: FetchCallback,
  { host, port, log }: { host: string; port: number | null; log: Log },
): Promise<Listening> {
  const first = port ?? DEFAULT_PORT
  for (let candidate = first; ; candidate++) {
    try {
      const server = await open(answer, host, candidate)
      // Such as too many open files: the connection is lost, the hub is not.
      server.on('error', (error) => log.error('a connection could not be accepted', { error: error.message }))
      // The server listens on a port, so its address is not a pipe's name.
      const { port: taken } = server.address() as AddressInfo
      const moved = port === null && taken !== DEFAULT_PORT
      return { port: taken, moved, close: (graceMs) => close(server, graceMs) }
    } catch (error) {
      const busy = isErrno(error, 'EADDRINUSE')
      if (busy && port === null && candidate < first + TRIES) continue
      throw busy ? inUse(host, candidate, port !== null) : cannot(host, candidate, error)
    }
  }
}

async function open(answer: FetchCallback, hostname: string, port: number): Promise<Server> {
  // The adapter's server type also covers HTTP/2, which is not asked for here.
  const server = serve({ fetch: answer, hostname, port, overrideGlobalObjects: false }) as Server
  // Clients keep connections; the usual 5 s make them run into one that is being closed.
  server.keepAliveTimeout = 65_000
  await once(server, 'listening')
  return server
}

async function close(server: Server, graceMs: number): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearTimeout(timer)
}

const inUse = (host: string, port: number, asked: boolean): CliError =>
  new CliError('port_in_use', `Port ${port} on ${host} is taken by another program.`, {
    hint: asked
      ? 'Stop that program, choose another PORT, or unset PORT to take the next free one.'
      : 'Set PORT to a free one.',
    exitCode: exitCode.conflict,
    details: { host, port },
  })

const cannot = (host: string, port: number, cause: unknown): CliError =>
  new CliError(
    'cannot_listen',
    `The hub cannot listen on ${host}:${port} (${cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown fault'}).`,
    {
      hint: 'Check HOST and PORT: the address must be one of this machine, and ports below 1024 may need root.',
      exitCode: exitCode.failed,
      cause,
    },
  )
