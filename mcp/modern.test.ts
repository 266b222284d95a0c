import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type McpHub, openMcpHub } from '../test/mcp-hub.ts'
import { TASKS } from './tasks.ts'

let hub: McpHub
const open: Client[] = []
beforeAll(async () => {
  hub = await openMcpHub()
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.close()))
})
afterAll(() => hub.close())

async function connect(mode: 'auto' | 'legacy' = 'auto'): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } })
  await client.connect(
    new StreamableHTTPClientTransport(hub.url, { requestInit: { headers: { authorization: `Bearer ${hub.token}` } } }),
  )
  open.push(client)
  return client
}

const Any = z.looseObject({})

/** A request as it goes over the wire, by a client that says it takes task handles: the SDK's own takes none. */
async function withTasks(method: string, params: Record<string, unknown>): Promise<Record<string, unknown>> {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': { extensions: { [TASKS]: {} }, elicitation: { form: {} } },
  }
  const response = await fetch(hub.url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${hub.token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      'mcp-name': String(params.name ?? params.taskId),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } }),
  })
  const { result, error } = z
    .looseObject({ result: Any.optional(), error: z.looseObject({ code: z.number(), message: z.string() }).optional() })
    .parse(await response.json())
  if (error) throw Object.assign(new Error(error.message), { code: error.code })
  return result ?? {}
}

describe('both eras on one URL', () => {
  test('a 2026-07-28 client discovers the hub and runs an agent', async () => {
    const client = await connect()
    expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28')
    const result = await client.callTool({ name: 'agent_run', arguments: { agent: 'echo', prompt: 'say:hello' } })
    expect(result.structuredContent).toMatchObject({ status: 'succeeded', output: 'hello' })
  })

  test('the same client speaks the 2025 era too', async () => {
    const client = await connect('legacy')
    expect(client.getNegotiatedProtocolVersion()).toBe('2025-11-25')
    const result = await client.callTool({ name: 'agent_run', arguments: { agent: 'echo', prompt: 'say:hello' } })
    expect(result.structuredContent).toMatchObject({ status: 'succeeded', output: 'hello' })
  })

  test('progress comes on the stream of the call', async () => {
    const client = await connect()
    const heard: number[] = []
    const onprogress = ({ progress }: { progress: number }) => heard.push(progress)
    await client.callTool(
      { name: 'agent_run', arguments: { agent: 'echo', prompt: 'say:working sleep:200 say:done' } },
      { onprogress },
    )
    expect(heard.length).toBeGreaterThan(0)
  })

  test('closing the stream of a call cancels it: the run goes on, unless the call was tied to it', async () => {
    const client = await connect()
    for (const [cancel_on_disconnect, status] of [
      [true, 'cancelled'],
      [false, 'running'],
    ] as const) {
      const prompt = `say:${status} last`
      const abort = new AbortController()
      const calling = client.callTool(
        { name: 'agent_run', arguments: { agent: 'echo', prompt, cancel_on_disconnect, wait_seconds: 45 } },
        { signal: abort.signal },
      )
      const settled = calling.then(
        () => 'answered',
        () => 'cancelled',
      )
      const find = async () =>
        (await hub.core.runs.list(hub.admin, { limit: 5 })).data.find(
          (run) => run.prompt === prompt && run.status === 'running',
        )
      await expect.poll(find, { timeout: 10_000 }).toBeTruthy()
      const id = (await find())?.id ?? ''
      abort.abort()
      expect(await settled).toBe('cancelled')
      const reached = async () => (await hub.core.runs.get(hub.admin, id)).status
      await expect.poll(reached, { timeout: 10_000 }).toBe(status)
      if (status === 'running') await hub.core.runs.stop(hub.admin, id)
    }
  })

  test('a stream of changes tells of the runs it may, and leaves out what is not there', async () => {
    const client = await connect()
    const run = await hub.core.runs.start(hub.admin, { agent: 'echo', prompt: 'permit:bash say:end' })
    await hub.core.runs.wait(hub.admin, run.id, { seconds: 20 })
    const heard: string[] = []
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => void heard.push(params.uri))
    const subscription = await client.listen({
      resourceSubscriptions: [`run://${run.id}`, 'run://run_none', 'agent://echo'],
    })
    expect(subscription.honoredFilter).toEqual({ resourceSubscriptions: [`run://${run.id}`] })
    const [approval] = (await hub.core.approvals.list(hub.admin, { run_id: run.id })).data
    await hub.core.approvals.decide(hub.admin, approval!.id, { option_id: 'once' })
    await expect.poll(() => heard, { timeout: 10_000 }).toContain(`run://${run.id}`)
    await subscription.close()
  })
})

describe('a client that shows forms', () => {
  type Shown = { message: string; requestedSchema: unknown }
  async function connectWithForms(
    answer: (shown: Shown) => { action: 'accept' | 'decline' | 'cancel'; content?: Record<string, string> },
  ) {
    const shown: Shown[] = []
    const client = new Client(
      { name: 'test', version: '1' },
      { versionNegotiation: { mode: 'auto' }, capabilities: { elicitation: { form: {} } } },
    )
    client.setRequestHandler('elicitation/create', ({ params }) => {
      const form = {
        message: params.message,
        requestedSchema: 'requestedSchema' in params ? params.requestedSchema : undefined,
      }
      shown.push(form)
      return answer(form)
    })
    await client.connect(
      new StreamableHTTPClientTransport(hub.url, {
        requestInit: { headers: { authorization: `Bearer ${hub.token}` } },
      }),
    )
    open.push(client)
    const run = async (prompt: string) =>
      (await client.callTool({ name: 'agent_run', arguments: { agent: 'echo', prompt, wait_seconds: 20 } }))
        .structuredContent as Record<string, unknown>
    return { run, shown }
  }
  const runsWith = async (prompt: string) =>
    (await hub.core.runs.list(hub.admin, { limit: 50 })).data.filter((run) => run.prompt === prompt).length

  test('puts an approval to its person within the one call, and the run is started once', async () => {
    const { run, shown } = await connectWithForms(() => ({
      action: 'accept',
      content: { decision: 'once', note: 'fine' },
    }))
    expect(await run('permit:bash say:allowed')).toMatchObject({ status: 'succeeded', output: 'allowed' })
    expect(shown).toMatchObject([
      { message: expect.stringContaining('/etc/motd'), requestedSchema: { required: ['decision'] } },
    ])
    expect(await runsWith('permit:bash say:allowed')).toBe(1)
  })

  test('puts one after the other, questions too', async () => {
    const { run, shown } = await connectWithForms(({ requestedSchema }) => {
      const content: Record<string, string> = JSON.stringify(requestedSchema).includes('decision')
        ? { decision: 'once' }
        : { answer: 'blue' }
      return { action: 'accept', content }
    })
    expect(await run('permit:bash ask:which_colour')).toMatchObject({ status: 'succeeded', output: 'answer blue' })
    expect(shown).toHaveLength(2)
  })

  test('takes no for a no, and a closed form for no answer', async () => {
    const no = await connectWithForms(() => ({ action: 'decline' }))
    expect(await no.run('permit:bash')).toMatchObject({ status: 'succeeded', output: 'answer reject' })
    const closed = await connectWithForms(() => ({ action: 'cancel' }))
    const waiting = await closed.run('permit:bash say:closed')
    expect(waiting).toMatchObject({
      status: 'awaiting_input',
      pending: [{ status: 'pending' }],
      next: { tool: 'approval_decide' },
    })
    expect(closed.shown).toHaveLength(1)
    await hub.core.runs.stop(hub.admin, String(waiting.id))
  })
})

describe('the tasks extension', () => {
  test('answers with a handle at once, and with the result when the run is over', async () => {
    const handle = await withTasks('tools/call', {
      name: 'agent_run',
      arguments: { agent: 'echo', prompt: 'sleep:200 say:late' },
    })
    expect(handle).toMatchObject({
      taskId: expect.stringMatching(/^run_/),
      ttlMs: null,
      pollIntervalMs: expect.any(Number),
    })
    expect(handle).not.toHaveProperty('result')
    const taskId = String(handle.taskId)
    const get = async () => await withTasks('tasks/get', { taskId })
    await expect.poll(async () => (await get()).status, { timeout: 10_000 }).toBe('completed')
    expect(await get()).toMatchObject({
      result: { structuredContent: { id: taskId, status: 'succeeded', output: 'late' } },
    })
  })

  test('asks for approvals by elicitation and takes the answer', async () => {
    const { taskId } = await withTasks('tools/call', {
      name: 'agent_run',
      arguments: { agent: 'echo', prompt: 'permit:bash' },
    })
    const get = async () => await withTasks('tasks/get', { taskId })
    await expect.poll(async () => (await get()).status, { timeout: 10_000 }).toBe('input_required')
    const requests = (await get()).inputRequests as Record<
      string,
      { method: string; params: { message: string; requestedSchema: unknown } }
    >
    const [[key, request] = []] = Object.entries(requests)
    expect(request).toMatchObject({
      method: 'elicitation/create',
      params: { message: expect.stringContaining('/etc/motd'), requestedSchema: { required: ['decision'] } },
    })
    await withTasks('tasks/update', {
      taskId,
      inputResponses: { unknown: { action: 'accept', content: {} } },
    })
    expect((await get()).status).toBe('input_required')
    await expect(
      withTasks('tasks/update', {
        taskId,
        inputResponses: { [key!]: { action: 'accept', content: { decision: 'whatever' } } },
      }),
    ).rejects.toThrow(/no option/)
    await withTasks('tasks/update', {
      taskId,
      inputResponses: { [key!]: { action: 'accept', content: { decision: 'once' } } },
    })
    await expect.poll(async () => (await get()).status, { timeout: 10_000 }).toBe('completed')
    expect(await get()).toMatchObject({ result: { structuredContent: { output: 'answer once' } } })
  })

  test('a declined approval is a no, a question takes words', async () => {
    const ask = async (prompt: string, response: unknown) => {
      const { taskId } = await withTasks('tools/call', {
        name: 'agent_run',
        arguments: { agent: 'echo', prompt },
      })
      const get = async () => await withTasks('tasks/get', { taskId })
      await expect.poll(async () => (await get()).status, { timeout: 10_000 }).toBe('input_required')
      const [key] = Object.keys((await get()).inputRequests as object)
      await withTasks('tasks/update', { taskId, inputResponses: { [key!]: response } })
      await expect.poll(async () => (await get()).status, { timeout: 10_000 }).toBe('completed')
      return ((await get()).result as { structuredContent: { output: string } }).structuredContent.output
    }
    expect(await ask('permit:bash', { action: 'decline' })).toBe('answer reject')
    expect(await ask('ask:where', { action: 'accept', content: { answer: 'here' } })).toBe('answer here')
  })

  test('cancels the run, and a second time nothing', async () => {
    const { taskId } = await withTasks('tools/call', {
      name: 'agent_run',
      arguments: { agent: 'echo', prompt: 'last' },
    })
    await withTasks('tasks/cancel', { taskId })
    await expect
      .poll(async () => (await withTasks('tasks/get', { taskId })).status, { timeout: 10_000 })
      .toBe('cancelled')
    await withTasks('tasks/cancel', { taskId })
    await expect(withTasks('tasks/get', { taskId: 'run_none' })).rejects.toMatchObject({ code: -32602 })
  })

  test('is only for requests that declare it', async () => {
    const client = await connect()
    await expect(client.request({ method: 'tasks/get', params: { taskId: 'run_none' } }, Any)).rejects.toMatchObject({
      code: -32021,
    })
    const refused = await withTasks('tools/call', {
      name: 'agent_run',
      arguments: { agent: 'nobody', prompt: 'x' },
    })
    expect(refused).toMatchObject({ isError: true, _meta: { 'signalbox/error': { code: 'agent_not_found' } } })
  })
})

describe('without a token that the hub knows', () => {
  test.each([undefined, 'Bearer nonsense', 'Basic YTpi'])(
    '%s is refused with a challenge and a hint',
    async (authorization) => {
      for (const method of ['POST', 'GET', 'DELETE']) {
        const response = await fetch(hub.url, {
          method,
          headers: { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) },
          ...(method === 'POST' ? { body: '{"jsonrpc":"2.0","id":1,"method":"server/discover"}' } : {}),
        })
        expect(response.status).toBe(401)
        expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/)
        expect(await response.json()).toMatchObject({
          error: { code: 'unauthenticated', hint: expect.stringContaining('signalbox token') },
        })
      }
    },
  )
})
