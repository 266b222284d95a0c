import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client as ModernClient } from '@modelcontextprotocol/client'
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openTestCore, type TestCore } from '../test/core.ts'
import { type McpHub, openMcpHub } from '../test/mcp-hub.ts'

const SCRIPT = join(import.meta.dirname, '../test/stdio-bridge.ts')
const closing: (() => Promise<unknown>)[] = []
let core: TestCore
let folder: string

beforeAll(async () => {
  core = await openTestCore()
  folder = await mkdtemp(join(tmpdir(), 'signalbox-stdio-'))
})
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})
afterAll(async () => {
  await core.close()
  await rm(folder, { recursive: true, force: true })
})

async function openHub(port?: number): Promise<McpHub> {
  const hub = await openMcpHub({ hub: core, ...(port === undefined ? {} : { port }) })
  closing.push(() => hub.stop())
  return hub
}

const command = (env: Record<string, string>) => ({
  command: process.execPath,
  args: ['--import', 'tsx', SCRIPT],
  env: { PATH: process.env.PATH ?? '', ...env },
  stderr: 'pipe' as const,
})
const addressOf = (hub: McpHub) => ({ TEST_HUB_URL: hub.url.origin, TEST_HUB_TOKEN: hub.token })

/** An independent client on a bridge of its own; `said` is what came on stderr. */
async function connect(env: Record<string, string>) {
  const transport = new StdioClientTransport(command(env))
  const client = new Client({ name: 'test', version: '1' })
  let said = ''
  transport.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await client.connect(transport)
  closing.push(() => client.close())
  return { client, said: () => said }
}

const run = (client: Client, prompt: string) =>
  client.callTool({ name: 'agent_run', arguments: { agent: 'echo', prompt } })

describe('the stdio bridge', () => {
  test('serves a 2025 client: tools, progress and changes', async () => {
    const hub = await openHub()
    const { client, said } = await connect(addressOf(hub))
    expect(client.getServerVersion()?.name).toBe('signalbox')
    const heard: number[] = []
    const result = await client.callTool(
      { name: 'agent_run', arguments: { agent: 'echo', prompt: 'say:a sleep:200 say:hello' } },
      undefined,
      {
        onprogress: ({ progress }) => heard.push(progress),
      },
    )
    expect(result.structuredContent).toMatchObject({ status: 'succeeded', output: 'hello' })
    expect(heard.length).toBeGreaterThan(0)
    const updated: string[] = []
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void updated.push(params.uri))
    const waiting = await core.core.runs.start(core.admin, { agent: 'echo', prompt: 'permit:bash' })
    await core.core.runs.wait(core.admin, waiting.id, { seconds: 20 })
    await client.subscribeResource({ uri: `run://${waiting.id}` })
    await core.core.runs.stop(core.admin, waiting.id)
    await expect.poll(() => updated, { timeout: 10_000 }).toContain(`run://${waiting.id}`)
    expect(said()).toBe('')
  })

  test('serves a 2026-07-28 client, whose cancelled call closes its stream', async () => {
    const hub = await openHub()
    const client = new ModernClient({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } })
    await client.connect(new ModernStdio(command(addressOf(hub))))
    closing.push(() => client.close())
    expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28')
    const result = await client.callTool({ name: 'agent_run', arguments: { agent: 'echo', prompt: 'say:hello' } })
    expect(result.structuredContent).toMatchObject({ status: 'succeeded', output: 'hello' })
    const abort = new AbortController()
    const calling = client
      .callTool(
        {
          name: 'agent_run',
          arguments: { agent: 'echo', prompt: 'say:tied last', cancel_on_disconnect: true, wait_seconds: 45 },
        },
        { signal: abort.signal },
      )
      .then(
        () => 'answered',
        () => 'cancelled',
      )
    const find = async () =>
      (await core.core.runs.list(core.admin, { limit: 5 })).data.find(
        ({ prompt, status }) => prompt === 'say:tied last' && status === 'running',
      )
    await expect.poll(find, { timeout: 10_000 }).toBeTruthy()
    const { id = '' } = (await find()) ?? {}
    abort.abort()
    expect(await calling).toBe('cancelled')
    expect(await core.core.runs.wait(core.admin, id, { seconds: 20 })).toMatchObject({ status: 'cancelled' })
  })

  test('goes on after the hub was restarted, with its subscriptions', async () => {
    const hub = await openHub()
    const { client } = await connect(addressOf(hub))
    const updated: string[] = []
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void updated.push(params.uri))
    const waiting = await core.core.runs.start(core.admin, { agent: 'echo', prompt: 'permit:bash' })
    await core.core.runs.wait(core.admin, waiting.id, { seconds: 20 })
    await client.subscribeResource({ uri: `run://${waiting.id}` })
    await hub.stop()
    await expect(run(client, 'say:hello')).rejects.toThrow(/does not answer at .*signalbox up/)
    await openHub(Number(hub.url.port))
    expect((await run(client, 'say:again')).structuredContent).toMatchObject({ output: 'again' })
    await core.core.runs.stop(core.admin, waiting.id)
    await expect.poll(() => updated, { timeout: 10_000 }).toContain(`run://${waiting.id}`)
  })

  test('finds a hub that moved or has another token', async () => {
    const hub = await openHub()
    const file = join(folder, 'hub.json')
    const { token } = await core.core.tokens.create(core.admin, { name: 'moved' })
    await writeFile(file, JSON.stringify({ url: hub.url.origin, token }))
    const { client } = await connect({ TEST_HUB_URL: 'http://127.0.0.1:1', TEST_HUB_TOKEN: '', TEST_HUB_FILE: file })
    expect((await run(client, 'say:found')).structuredContent).toMatchObject({ output: 'found' })
  })

  test('holds back what comes right behind an initialize until the session is there', async () => {
    const hub = await openHub()
    const { command: program, args, env } = command(addressOf(hub))
    const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
    closing.push(async () => child.kill())
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
    const messages = [
      { id: 0, method: 'initialize', params },
      { method: 'notifications/initialized' },
      { id: 1, method: 'prompts/list' },
    ]
    child.stdin.write(messages.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join(''))
    const lines = () =>
      out
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as unknown)
    await expect
      .poll(lines, { timeout: 20_000 })
      .toMatchObject([{ id: 0 }, { id: 1, result: { prompts: expect.any(Array) } }])
  })

  test('says on stderr that no hub runs, answers with the remedy, and ends with its stdin', async () => {
    const {
      command: program,
      args,
      env,
    } = command({ TEST_HUB_URL: 'http://127.0.0.1:1', TEST_HUB_TOKEN: 'secret-token' })
    const child = spawn(program, args, { env, stdio: 'pipe' })
    const out: string[] = []
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'initialize', params })}\n`)
    await expect.poll(() => out.join(''), { timeout: 20_000 }).toContain('\n')
    expect(JSON.parse(out.join(''))).toMatchObject({
      id: 7,
      error: { message: expect.stringContaining('signalbox up') },
    })
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 8, method: 'ping' })}\n`)
    await expect.poll(() => out.join('').trim().split('\n').length, { timeout: 20_000 }).toBe(2)
    child.stdin.end()
    expect(await exited).toBe(0)
    expect(said.trim().split('\n')).toHaveLength(1)
    expect(said).toContain('Signalbox does not answer at http://127.0.0.1:1')
    expect(said + out.join('')).not.toContain('secret-token')
  })

  test('tells the hub’s own refusal of a token', async () => {
    const hub = await openHub()
    await expect(connect({ ...addressOf(hub), TEST_HUB_TOKEN: 'wrong' })).rejects.toThrow(/token is not known here/)
  })
})
