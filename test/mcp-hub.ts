import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { type McpOptions, mcpApp } from '../mcp/index.ts'
import { openTestCore, quiet, type TestCore } from './core.ts'

export type McpHub = TestCore & {
  /** With /mcp. */
  url: URL
  /** The methods that 2026-07-28 clients named in their headers, in order. */
  methods: string[]
  /** Stops serving, as a hub that goes down does; core stays. */
  stop(): Promise<void>
}

/** The MCP server over real HTTP on a core with the scripted runtime. */
export async function openMcpHub(
  options: Partial<McpOptions> & { port?: number; hub?: TestCore } = {},
): Promise<McpHub> {
  const hub = options.hub ?? (await openTestCore())
  const app = mcpApp(hub.core, { log: quiet, version: '0.0.0-test', ...options })
  const methods: string[] = []
  const fetch = (request: Request) => {
    const method = request.headers.get('mcp-method')
    if (method) methods.push(method)
    return app.fetch(request)
  }
  const server = serve({ fetch, port: options.port ?? 0, hostname: '127.0.0.1' })
  await new Promise<void>((resolve) => (server.listening ? resolve() : server.once('listening', () => resolve())))
  const { port } = server.address() as AddressInfo
  const stop = async () => {
    await app.close()
    const closed = new Promise((resolve) => server.close(resolve))
    if ('closeAllConnections' in server) server.closeAllConnections()
    await closed
  }
  return {
    ...hub,
    url: new URL(`http://127.0.0.1:${port}/mcp`),
    methods,
    stop,
    close: async () => {
      await stop()
      await hub.close()
    },
  }
}
