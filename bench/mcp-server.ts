/**
 * The servers of the MCP measurement in a process of their own, so that the load does not share their thread: a plain echo, the
 * hub's /mcp, and the same with a core that answers from memory. Its argument says where the data is; it prints one line of
 * JSON (`McpServers`) and ends with its standard input.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Core } from '../core/index.ts'
import { mcpApp } from '../mcp/index.ts'
import { openBenchCore, serveOn } from './hub.ts'
import { prompts } from './instant-runtime.ts'

export type McpServers = {
  echo: string
  hub: string
  memory: string
  /** Answers the CPU time of this process in microseconds. */
  cpu: string
  token: string
  runId: string
}

const data = JSON.parse(process.argv[2] ?? '{}') as { dataDir: string; databaseUrl?: string }
const { core, admin } = await openBenchCore(data)
const { token } = await core.tokens.create(admin, { name: 'bench' })
const started = await core.runs.start(admin, { agent: 'instant', prompt: prompts.instant })
const run = await core.runs.wait(admin, started.id, { seconds: 30 })

const remembering: Core = { ...core, authenticate: async () => admin, runs: { ...core.runs, get: async () => run } }
const log = { info() {}, warn() {}, error: console.error }
const options = { log, version: core.version }
const hub = await serveOn(mcpApp(core, options))
const memory = await serveOn(mcpApp(remembering, options))

const plain = createServer((request, response) => {
  if (request.url === '/cpu') {
    const { user, system } = process.cpuUsage()
    response.end(String(user + system))
    return
  }
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { id, params } = JSON.parse(Buffer.concat(chunks).toString()) as { id: unknown; params: unknown }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result: params }))
  })
})
await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
const echo = `http://127.0.0.1:${(plain.address() as AddressInfo).port}`

const servers: McpServers = {
  echo,
  hub: `${hub.url}/mcp`,
  memory: `${memory.url}/mcp`,
  cpu: `${echo}/cpu`,
  token,
  runId: run.id,
}
console.log(JSON.stringify(servers))
process.stdin.resume().once('end', () => {
  void core.close().then(() => process.exit(0))
})
