import { readdir, readFile } from 'node:fs/promises'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type McpHub, openMcpHub } from '../../test/mcp-hub.ts'
import { createCatalogue } from '../catalogue.ts'
import { tools } from './index.ts'

const catalogue = createCatalogue()

describe('every tool', () => {
  test('is listed once, in the file that its name says', async () => {
    const files = (await readdir(import.meta.dirname)).filter((file) => !['index.ts', 'tools.test.ts'].includes(file))
    expect(tools.map(({ name }) => `${name.replaceAll('_', '-')}.ts`).toSorted()).toEqual(files.toSorted())
  })

  test.each(catalogue.tools.map((tool) => [tool.name, tool] as const))(
    '%s has a short name, says what it does, and has schemas that clients can read',
    (_name, tool) => {
      expect(tool.name).toMatch(/^[a-z]+(_[a-z]+)+$/)
      expect(tool.name.length).toBeLessThanOrEqual(24)
      expect(tool.title?.length).toBeGreaterThan(3)
      expect(tool.description?.length).toBeGreaterThan(30)
      expect(tool.annotations).toMatchObject({ readOnlyHint: expect.any(Boolean), openWorldHint: expect.any(Boolean) })
      expect(tool.inputSchema).toMatchObject({ type: 'object', additionalProperties: false })
      expect(tool.outputSchema).toMatchObject({ type: 'object' })
      // Some clients resolve no references, and some providers refuse schemas with them.
      expect(JSON.stringify([tool.inputSchema, tool.outputSchema])).not.toContain('$ref')
    },
  )

  test('fits with all the others into a context', () => {
    expect(
      JSON.stringify(catalogue.tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema })))
        .length,
    ).toBeLessThan(40_000)
  })
})

test('docs/mcp.md names every tool, resource and prompt', async () => {
  const page = await readFile(new URL('../../docs/mcp.md', import.meta.url), 'utf8')
  const named = (pattern: RegExp) => [...page.matchAll(pattern)].map(([, name]) => name)
  expect(named(/^\| `([a-z_]+)` \|/gm)).toEqual(catalogue.tools.map(({ name }) => name))
  expect(named(/^\| `([a-z]+:\/\/[^`]+)` \|/gm)).toEqual(
    catalogue.resourceTemplates.map(({ uriTemplate }) => uriTemplate),
  )
  const prompts = catalogue.prompts.map(
    ({ name, arguments: args = [] }) => `${name}(${args.map((argument) => argument.name).join(', ')})`,
  )
  expect(named(/^\| `([a-z_]+\([a-z_, ]*\))` \|/gm)).toEqual(prompts)
})

describe('what a tool gives', () => {
  let hub: McpHub
  let client: Client
  beforeAll(async () => {
    hub = await openMcpHub()
    client = new Client({ name: 'test', version: '1' })
    await client.connect(
      new StreamableHTTPClientTransport(hub.url, {
        requestInit: { headers: { authorization: `Bearer ${hub.token}` } },
      }),
    )
    // From here on the client checks every result against the output schema of its tool.
    await client.listTools()
  })
  afterAll(async () => {
    await client.close()
    await hub.close()
  })

  const called = new Set<string>()
  async function call(name: string, args: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    called.add(name)
    const result = CallToolResultSchema.parse(await client.callTool({ name, arguments: args }))
    expect(result.isError, JSON.stringify(result.content)).toBeFalsy()
    const [first] = result.content
    expect(first?.type === 'text' && first.text.length).toBeGreaterThan(0)
    return result.structuredContent ?? {}
  }

  test('fits its output schema', async () => {
    const agent = await call('agent_create', {
      name: 'writer',
      runtime: 'scripted',
      instructions: 'Write.',
      limits: { seconds: 60 },
      permissions: { bash: 'ask' },
    })
    expect(agent).toMatchObject({ name: 'writer', version: 1, permissions: { bash: 'ask' } })
    const changed = await call('agent_update', {
      agent: 'writer',
      version: 1,
      changes: { description: 'Writes texts' },
    })
    expect(changed).toMatchObject({
      version: 2,
      description: 'Writes texts',
      instructions: 'Write.',
      limits: { seconds: 60 },
    })
    expect(await call('agent_update', { agent: 'writer', changes: { description: null } })).not.toHaveProperty(
      'description',
    )
    expect(await call('agents_list', { query: 'writ', limit: 1 })).toMatchObject({
      agents: [{ name: 'writer' }],
      next_cursor: null,
    })

    const run = await call('agent_run', {
      agent: 'writer',
      prompt: 'say:one usage:7,9 tool:grep say:two',
      wait_seconds: 20,
    })
    expect(run).toMatchObject({
      status: 'succeeded',
      output: 'two',
      output_cut: false,
      usage: { input_tokens: 7, output_tokens: 9 },
    })
    await call('run_get', { run_id: run.id })
    await call('run_events', { run_id: run.id })
    expect(await call('run_list', { agent: 'writer', status: 'succeeded' })).toMatchObject({
      runs: [{ id: run.id, prompt_start: expect.stringContaining('say:one') }],
    })
    expect(await call('session_list', { agent: 'writer' })).toMatchObject({ sessions: [{ id: run.session_id }] })
    const sent = await call('session_send', { session_id: run.session_id, message: 'say:three', wait_seconds: 20 })
    expect(sent).toMatchObject({ session_id: run.session_id, output: 'three' })
    const session = await call('session_get', { session_id: run.session_id, tail: 1 })
    expect(session).toMatchObject({ turns: [{ id: sent.id, output: 'three' }], earlier: true })

    const waiting = await call('agent_run', { agent: 'writer', prompt: 'permit:bash last', wait_seconds: 20 })
    const { approvals } = (await call('approvals_list')) as { approvals: { id: string; run_id: string }[] }
    expect(approvals).toMatchObject([{ run_id: waiting.id }])
    await call('approval_decide', { approval_id: approvals[0]?.id, option_id: 'reject', note: 'not now' })
    await call('run_cancel', { run_id: waiting.id })
    expect(await call('run_get', { run_id: waiting.id, wait_seconds: 20 })).toMatchObject({ status: 'cancelled' })

    const schedule = await call('schedule_create', {
      name: 'daily',
      agent: 'writer',
      cron: '0 9 * * *',
      timezone: 'Europe/Berlin',
      prompt: 'say:morning',
    })
    expect(schedule.next_runs).toHaveLength(5)
    expect(await call('schedule_update', { schedule: 'daily', changes: { enabled: false } })).toMatchObject({
      enabled: false,
      cron: '0 9 * * *',
      timezone: 'Europe/Berlin',
    })
    expect(await call('schedule_list')).toMatchObject({ schedules: [{ name: 'daily', enabled: false }] })
    expect(await call('schedule_run', { schedule: 'daily', idempotency_key: 'now' })).toMatchObject({ agent: 'writer' })
    await call('schedule_delete', { schedule: 'daily' })
    expect(await call('schedule_list')).toMatchObject({ schedules: [] })

    expect(await call('usage_get', { by: 'agent' })).toMatchObject({
      rows: [{ key: 'writer', usage: { input_tokens: 7 } }],
    })
    expect(tools.map(({ name }) => name).filter((name) => !called.has(name))).toEqual([])
  })

  test('says so when the output is cut, and where all of it is', async () => {
    const words = `say:${'x'.repeat(50_000)}`
    const run = await call('agent_run', { agent: 'echo', prompt: words, wait_seconds: 30 })
    expect(run).toMatchObject({ status: 'succeeded', output_cut: true })
    expect(String(run.output)).toHaveLength(40_000)
    const [content] = (await client.readResource({ uri: `run://${String(run.id)}` })).contents
    expect(content && 'text' in content && content.text.includes('x'.repeat(50_000))).toBe(true)
  })
})
