import { type ChildProcess, spawn } from 'node:child_process'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { openPlace } from './hub.ts'
import { type Bench, type Line, type Place, quantile } from './line.ts'
import type { McpServers } from './mcp-server.ts'

const AT_ONCE = 50
const WARM_UP_MS = 1_000
const MEASURED_MS = 4_000

/** Calls of the tool run_get, 50 at once over kept connections, against a plain node:http echo in the same process. */
export const bench: Bench = { name: 'mcp', places: true, run: mcpCalls }

async function mcpCalls(place: Place): Promise<Line[]> {
  const kept = await openPlace(place)
  const data = { dataDir: kept.dataDir, databaseUrl: kept.databaseUrl }
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', join(import.meta.dirname, 'mcp-server.ts'), JSON.stringify(data)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  try {
    const servers = await announced(child)
    const modern = modernCall(servers)
    const echo = await load(servers, servers.echo, modern)
    const baseline = { name: 'node:http echo', value: echo.perSecond }
    const cases = [
      { name: `tool calls, 2026-07-28, ${place.name}`, ...(await load(servers, servers.hub, modern)) },
      {
        name: `tool calls, 2025-11-25, ${place.name}`,
        ...(await load(servers, servers.hub, await legacyCall(servers, servers.hub))),
      },
      // The database has no part in these, so that they are measured once.
      ...(place.databaseUrl === null
        ? [
            {
              name: 'tool calls, 2026-07-28, core in memory',
              goal: '>= 2500',
              ...(await load(servers, servers.memory, modern)),
            },
            {
              name: 'tool calls, 2025-11-25, core in memory',
              goal: '>= 2500',
              ...(await load(servers, servers.memory, await legacyCall(servers, servers.memory))),
            },
          ]
        : []),
    ]
    return cases.flatMap(({ name, perSecond, p50, cpuMs, goal }: (typeof cases)[number] & { goal?: string }) => [
      {
        name: `${name}, ${AT_ONCE} at once`,
        value: perSecond,
        unit: 'calls/s',
        baseline,
        ratio: perSecond / echo.perSecond,
        ...(goal ? { goal } : {}),
      },
      {
        name: `${name}, p50 of a call`,
        value: p50,
        unit: 'ms',
        baseline: { name: 'node:http echo', value: echo.p50 },
        ratio: p50 / echo.p50,
      },
      {
        name: `${name}, CPU of a call`,
        value: cpuMs,
        unit: 'ms',
        baseline: { name: 'node:http echo', value: echo.cpuMs },
        ratio: cpuMs / echo.cpuMs,
      },
    ])
  } finally {
    const exited = new Promise((resolve) => child.once('exit', resolve))
    child.stdin?.end()
    await exited
    await kept.remove()
  }
}

async function announced(child: ChildProcess): Promise<McpServers> {
  const { stdout } = child
  if (!stdout) throw new Error('the servers have no standard output')
  const line = await new Promise<string>((resolve, reject) => {
    createInterface(stdout).once('line', resolve)
    child.once('exit', (code) => reject(new Error(`the servers ended with ${code}`)))
  })
  return JSON.parse(line) as McpServers
}

/** `body` by the id of the request, which no other open request of a session may have. */
type Call = { headers: Record<string, string>; body(id: number): string }

const accepted = ({ token }: McpServers) => ({
  authorization: `Bearer ${token}`,
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
})

const call = ({ runId }: McpServers, meta: Record<string, unknown>) => {
  const params = { name: 'run_get', arguments: { run_id: runId }, ...meta }
  return (id: number) => JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params })
}

function modernCall(servers: McpServers): Call {
  const revision = '2026-07-28'
  const meta = {
    'io.modelcontextprotocol/protocolVersion': revision,
    'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const named = { 'mcp-protocol-version': revision, 'mcp-method': 'tools/call', 'mcp-name': 'run_get' }
  return { headers: { ...accepted(servers), ...named }, body: call(servers, { _meta: meta }) }
}

async function legacyCall(servers: McpServers, url: string): Promise<Call> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1' } }
  const headers = accepted(servers)
  const opened = await fetch(url, {
    method: 'POST',
    headers,
    body: JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params }),
  })
  await opened.text()
  return {
    headers: { ...headers, 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' },
    body: call(servers, {}),
  }
}

type Measured = { perSecond: number; p50: number; cpuMs: number }

/** The same call from so many callers, each sending its next when it has its answer. */
async function load({ cpu, runId }: McpServers, url: string, made: Call): Promise<Measured> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
  const latencies: number[] = []
  let id = 0
  const startedAt = performance.now()
  const from = startedAt + WARM_UP_MS
  const until = from + MEASURED_MS
  let cpuAtStart: Promise<number> | undefined
  const caller = async () => {
    for (let sent = performance.now(); sent < until; sent = performance.now()) {
      if (sent >= from) cpuAtStart ??= cpuMicros(cpu)
      const answer = await post(agent, url, made.headers, made.body(++id))
      if (!answer.includes(runId)) throw new Error(`not the answer: ${answer.slice(0, 500)}`)
      if (sent >= from) latencies.push(performance.now() - sent)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, caller))
  const tookMs = performance.now() - from
  const usedMicros = (await cpuMicros(cpu)) - ((await cpuAtStart) ?? 0)
  agent.destroy()
  return {
    perSecond: (latencies.length / tookMs) * 1_000,
    p50: quantile(latencies, 0.5),
    cpuMs: usedMicros / 1_000 / latencies.length,
  }
}

const cpuMicros = async (url: string): Promise<number> => Number(await (await fetch(url)).text())

function post(agent: Agent, url: string, headers: Record<string, string>, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: 'POST', agent, headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) } },
      (response) => {
        let answer = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          answer += chunk
        })
        response.on('end', () => resolve(answer))
        response.on('error', reject)
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}
