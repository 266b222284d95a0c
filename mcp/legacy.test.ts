import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { CallToolResultSchema, ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type McpHub, openMcpHub } from '../test/mcp-hub.ts'

// The client is the SDK's v1 line, which knows nothing of our server's SDK.

let hub: McpHub
const open: Client[] = []
beforeAll(async () => {
  hub = await openMcpHub()
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.close()))
})
afterAll(() => hub.close())

async function connect(token = hub.token): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(transport(token))
  open.push(client)
  return client
}
const transport = (token: string, sessionId?: string) =>
  new StreamableHTTPClientTransport(hub.url, {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
    ...(sessionId ? { sessionId } : {}),
  })

const post = (token: string, sessionId: string) =>
  fetch(hub.url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-session-id': sessionId,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
  })

type Structured = Record<string, unknown>
const call = async (client: Client, name: string, args: Structured = {}) => {
  const result = CallToolResultSchema.parse(await client.callTool({ name, arguments: args }))
  const [first] = result.content
  return { ...result, structured: result.structuredContent ?? {}, text: first?.type === 'text' ? first.text : '' }
}

describe('a 2025-11-25 client', () => {
  test('is told who we are and how to use us', async () => {
    const client = await connect()
    expect(client.getServerVersion()).toMatchObject({ name: 'signalbox', version: '0.0.0-test' })
    expect(client.getServerCapabilities()).toMatchObject({
      tools: {},
      prompts: {},
      resources: { subscribe: true },
      completions: {},
    })
    expect(client.getInstructions()).toContain('agent_run')
    expect(Buffer.byteLength(client.getInstructions() ?? '')).toBeLessThanOrEqual(2048)
  })

  test('lists agents, gives one work and gets the answer in one call', async () => {
    const client = await connect()
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toContain('agent_run')
    expect((await call(client, 'agents_list')).structured).toMatchObject({
      agents: [{ name: 'echo', runtime: 'scripted' }],
    })
    const run = await call(client, 'agent_run', { agent: 'echo', prompt: 'say:hello_there' })
    expect(run.structured).toMatchObject({ status: 'succeeded', output: 'hello there', agent: 'echo' })
    expect(run.structured).not.toHaveProperty('next')
    expect(run.text).toContain('hello there')
    expect(run.content).toContainEqual(
      expect.objectContaining({ type: 'resource_link', uri: `run://${String(run.structured.id)}` }),
    )
  })

  test('gets a handle and the next call when the work outlasts wait_seconds', async () => {
    const client = await connect()
    const run = await call(client, 'agent_run', { agent: 'echo', prompt: 'say:begun last', wait_seconds: 1 })
    expect(run.structured).toMatchObject({
      status: 'running',
      next: { tool: 'run_get', args: { run_id: run.structured.id } },
    })
    const stopped = await call(client, 'run_cancel', { run_id: run.structured.id, reason: 'enough' })
    expect(stopped.isError).toBeFalsy()
    const over = await call(client, 'run_get', { run_id: run.structured.id, wait_seconds: 20 })
    expect(over.structured).toMatchObject({ status: 'cancelled' })
  })

  test('is told at once when a run needs a person, decides, and the run goes on', async () => {
    const client = await connect()
    const run = await call(client, 'agent_run', { agent: 'echo', prompt: 'permit:bash', wait_seconds: 20 })
    expect(run.structured).toMatchObject({ status: 'awaiting_input', next: { tool: 'approval_decide' } })
    const listed = await call(client, 'approvals_list', { run_id: run.structured.id })
    const [approval] = listed.structured.approvals as { id: string; tool: string }[]
    expect(approval).toMatchObject({ tool: 'bash', status: 'pending' })
    const decided = await call(client, 'approval_decide', { approval_id: approval?.id, option_id: 'once' })
    expect(decided.structured).toMatchObject({ status: 'decided', option_id: 'once' })
    const over = await call(client, 'run_get', { run_id: run.structured.id, wait_seconds: 20 })
    expect(over.structured).toMatchObject({ status: 'succeeded', output: 'answer once' })
    const other = await call(client, 'approval_decide', { approval_id: approval?.id, option_id: 'reject' })
    expect(other).toMatchObject({ isError: true, _meta: { 'signalbox/error': { code: 'approval_decided' } } })
  })

  test('answers a question with a message to the session', async () => {
    const client = await connect()
    const run = await call(client, 'agent_run', { agent: 'echo', prompt: 'ask:which_file', wait_seconds: 20 })
    expect(run.structured).toMatchObject({ status: 'awaiting_input', next: { tool: 'session_send' } })
    const answered = await call(client, 'session_send', {
      session_id: run.structured.session_id,
      message: 'readme',
      wait_seconds: 20,
    })
    expect(answered.structured).toMatchObject({ id: run.structured.id, status: 'succeeded', output: 'answer readme' })
  })

  test('reads the log of a run and goes on where it ended', async () => {
    const client = await connect()
    const run = await call(client, 'agent_run', { agent: 'echo', prompt: 'say:one tool:grep say:two' })
    const first = await call(client, 'run_events', { run_id: run.structured.id, limit: 2 })
    expect(first.structured).toMatchObject({
      events: [{ seq: 1, type: 'RUN_STARTED' }, { seq: 2 }],
      next_seq: 2,
      done: false,
    })
    const rest = await call(client, 'run_events', { run_id: run.structured.id, after_seq: 2, limit: 500 })
    expect(rest.structured).toMatchObject({ done: true })
    expect((rest.structured.events as { seq: number }[])[0]?.seq).toBe(3)
    const calls = await call(client, 'run_events', { run_id: run.structured.id, types: ['TOOL_CALL_START'] })
    expect(calls.structured.events).toHaveLength(1)
  })

  test('repeats a call with its idempotency_key and gets the same run', async () => {
    const client = await connect()
    const request = { agent: 'echo', prompt: 'say:once', idempotency_key: 'key-1' }
    const first = await call(client, 'agent_run', request)
    const again = await call(client, 'agent_run', request)
    expect(again.structured.id).toBe(first.structured.id)
    const other = await call(client, 'agent_run', { ...request, prompt: 'say:other' })
    expect(other).toMatchObject({ isError: true, _meta: { 'signalbox/error': { code: 'idempotency_conflict' } } })
  })

  test('is told of every wrong argument at once', async () => {
    const client = await connect()
    const refused = await call(client, 'agent_run', { prompt: 7, wait_seconds: 90, colour: 'red' })
    expect(refused.isError).toBe(true)
    for (const name of ['agent', 'prompt', 'wait_seconds', 'colour']) expect(refused.text).toContain(name)
    expect(refused._meta?.['signalbox/error']).toMatchObject({ code: 'invalid_request', details: expect.any(Array) })
  })

  test('is told what to do about a run that is not there', async () => {
    const client = await connect()
    const refused = await call(client, 'run_get', { run_id: 'run_none' })
    expect(refused).toMatchObject({
      isError: true,
      _meta: { 'signalbox/error': { code: 'run_not_found', hint: expect.any(String) } },
    })
    expect(refused.text).toContain('run_not_found')
    await expect(client.callTool({ name: 'no_such_tool' })).rejects.toThrow(/no tool/)
  })

  test('hears progress while it waits, when it asks for it', async () => {
    const client = await connect()
    const heard: { progress: number; message?: string }[] = []
    await client.callTool(
      { name: 'agent_run', arguments: { agent: 'echo', prompt: 'say:working sleep:300 say:done' } },
      undefined,
      {
        onprogress: (progress) => heard.push(progress),
      },
    )
    expect(heard[0]).toMatchObject({ progress: expect.any(Number), message: expect.any(String) })
  })

  test('cancels its call and the run goes on, unless it asked otherwise', async () => {
    const client = await connect()
    const cancelled = async (cancel_on_disconnect: boolean) => {
      const prompt = `say:${cancel_on_disconnect ? 'tied' : 'free'} last`
      const abort = new AbortController()
      const calling = client.callTool(
        { name: 'agent_run', arguments: { agent: 'echo', prompt, cancel_on_disconnect, wait_seconds: 45 } },
        undefined,
        { signal: abort.signal },
      )
      const settled = calling.then(
        () => 'answered',
        () => 'cancelled',
      )
      const started = async () =>
        (await hub.core.runs.list(hub.admin, { limit: 5 })).data.find(
          (run) => run.prompt === prompt && run.status === 'running',
        )
      await expect.poll(started, { timeout: 10_000 }).toBeTruthy()
      const run = await started()
      abort.abort()
      expect(await settled).toBe('cancelled')
      return run?.id ?? ''
    }
    const tied = await cancelled(true)
    expect(await hub.core.runs.wait(hub.admin, tied, { seconds: 20 })).toMatchObject({ status: 'cancelled' })
    const free = await cancelled(false)
    expect(await hub.core.runs.get(hub.admin, free)).toMatchObject({ status: 'running', stop_requested_at: null })
    await hub.core.runs.stop(hub.admin, free)
  })

  test('hears of changes to the runs that it is subscribed to, and of no others', async () => {
    const client = await connect()
    const heard: string[] = []
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.push(params.uri))
    const run = await hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'permit:bash say:end' })
    const other = await hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'say:other' })
    await hub.core.runs.wait(hub.admin, run.id, { seconds: 20 })
    await client.subscribeResource({ uri: `run://${run.id}/events` })
    const [approval] = (await hub.core.approvals.list(hub.admin, { run_id: run.id })).data
    await hub.core.approvals.decide(hub.admin, approval!.id, { option_id: 'once' })
    await expect.poll(() => heard, { timeout: 10_000 }).toContain(`run://${run.id}/events`)
    await hub.core.runs.wait(hub.admin, other.id, { seconds: 20 })
    expect(new Set(heard)).toEqual(new Set([`run://${run.id}/events`]))
    await expect(client.subscribeResource({ uri: 'run://run_none' })).rejects.toThrow(/no run/)
    await expect(client.subscribeResource({ uri: 'agent://echo' })).rejects.toThrow(/cannot be subscribed/)
  })
})

describe('a session', () => {
  test('belongs to the user, whichever of their tokens is sent', async () => {
    const mine = transport(hub.token)
    const client = new Client({ name: 'test', version: '1' })
    await client.connect(mine)
    open.push(client)
    const { token: second } = await hub.core.tokens.create(hub.admin, { name: 'second' })
    const answer = await post(second, mine.sessionId ?? '')
    expect(answer.status).toBe(200)
    await answer.body?.cancel()
  })

  test('dies with its token', async () => {
    const { token, id } = await hub.core.tokens.create(hub.admin, { name: 'short' })
    const client = await connect(token)
    expect((await client.listTools()).tools.length).toBeGreaterThan(0)
    await hub.core.tokens.revoke(hub.admin, id)
    await expect(client.listTools()).rejects.toThrow(/unauthenticated/)
  })

  test('is ended by the client', async () => {
    const mine = transport(hub.token)
    const client = new Client({ name: 'test', version: '1' })
    await client.connect(mine)
    const id = mine.sessionId ?? ''
    await mine.terminateSession()
    const gone = await post(hub.token, id)
    expect(gone.status).toBe(404)
    await client.close()
  })
})

describe('resources and prompts', () => {
  test('tell an agent, a run, its log, its transcript and its session', async () => {
    const client = await connect()
    const run = await hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'say:reading tool:grep say:found_it' })
    await hub.core.runs.wait(hub.admin, run.id, { seconds: 20 })
    const read = async (uri: string) => {
      const [content] = (await client.readResource({ uri })).contents
      return { mimeType: content?.mimeType, text: content && 'text' in content ? content.text : '' }
    }
    expect(JSON.parse((await read('agent://echo')).text)).toMatchObject({
      name: 'echo',
      version: '1',
      capabilities: { streaming: true },
      skills: [],
    })
    expect((await read(`run://${run.id}`)).text).toContain('- status: succeeded')
    const lines = (await read(`run://${run.id}/events`)).text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { seq: number; type: string })
    expect(lines.map(({ seq }) => seq)).toEqual(lines.map((_line, index) => index + 1))
    const transcript = (await read(`run://${run.id}/transcript`)).text
    expect(transcript).toContain('reading')
    expect(transcript.indexOf('reading')).toBeLessThan(transcript.indexOf('grep done'))
    expect(transcript.indexOf('grep done')).toBeLessThan(transcript.indexOf('found it'))
    expect((await read(`session://${run.session_id}`)).text).toContain('found it')
    await expect(client.readResource({ uri: 'run://run_none' })).rejects.toThrow(/no run/)
    await expect(client.readResource({ uri: 'file:///etc/passwd' })).rejects.toThrow(/not found/)
  })

  test('are listed with agents, recent runs and sessions, and completed while typing', async () => {
    const client = await connect()
    const uris = (await client.listResources()).resources.map(({ uri }) => uri)
    expect(uris).toContain('agent://echo')
    expect(uris.some((uri) => uri.startsWith('run://run_'))).toBe(true)
    const { resourceTemplates } = await client.listResourceTemplates()
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
      'agent://{id}',
      'run://{id}',
      'run://{id}/events',
      'run://{id}/transcript',
      'session://{id}',
    ])
    const completed = await client.complete({
      ref: { type: 'ref/resource', uri: 'agent://{id}' },
      argument: { name: 'id', value: 'ec' },
    })
    expect(completed.completion.values).toEqual(['echo'])
    const agents = await client.complete({
      ref: { type: 'ref/prompt', name: 'compare_agents' },
      argument: { name: 'agents', value: 'other,e' },
    })
    expect(agents.completion.values).toEqual(['other,echo'])
  })

  test('prompts carry what they are given and what they look up', async () => {
    const client = await connect()
    const text = async (name: string, args: Record<string, string> = {}) => {
      const { messages } = await client.getPrompt({ name, arguments: args })
      const content = messages[0]?.content
      return content?.type === 'text' ? content.text : ''
    }
    expect((await client.listPrompts()).prompts.map(({ name }) => name)).toEqual([
      'delegate',
      'fleet_status',
      'review_run',
      'compare_agents',
    ])
    expect(await text('delegate', { agent: 'echo', task: 'count the files' })).toMatch(
      /agent_run[\s\S]*count the files/,
    )
    expect(await text('fleet_status')).toContain('"name": "echo"')
    const run = await hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'say:to_review' })
    await hub.core.runs.wait(hub.admin, run.id, { seconds: 20 })
    expect(await text('review_run', { run_id: run.id })).toContain('to review')
    expect(await text('compare_agents', { task: 'add', agents: 'echo' })).toContain('echo')
    await expect(client.getPrompt({ name: 'delegate', arguments: { agent: 'echo' } })).rejects.toThrow(/task/)
    await expect(client.getPrompt({ name: 'review_run', arguments: { run_id: 'run_none' } })).rejects.toThrow(/no run/)
  })
})
