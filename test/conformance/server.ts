/**
 * The server that the MCP conformance suite is run against: its fixtures, served through the hub's own endpoint (era routing,
 * sessions, event store, host checks, subscriptions, tasks), without authentication. `node --import tsx test/conformance/server.ts`
 * prints its URL.
 */
import { serve } from '@hono/node-server'
import {
  type CallToolResult,
  completable,
  fromJsonSchema,
  inputRequired,
  isInputRequiredResult,
  type McpRequestContext,
  McpServer,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  ResourceTemplate,
  type ServerContext,
} from '@modelcontextprotocol/server'
import * as z from 'zod'
import { mcpEndpoint } from '../../mcp/endpoint.ts'
import { serveTasks, TASKS, takesTasks, toTaskHandle } from '../../mcp/tasks.ts'
import { PNG, text } from './content.ts'
import { states } from './input-tools.ts'
import { createTaskStore, jobs } from './task-tools.ts'
import { fixtureTools } from './tools.ts'

const store = createTaskStore()
const endpoint = mcpEndpoint({
  build: fixtureServer,
  authenticate: async () => ({ id: 'anyone' }),
  listen: async (_principal, uris) => ({ uris, end: () => {} }),
  log: { info: () => {}, warn: () => {}, error: (message, fields) => console.error(message, fields) },
})
const tools = fixtureTools({
  toolsChanged: () => endpoint.notify.toolsChanged(),
  promptsChanged: () => endpoint.notify.promptsChanged(),
})

function fixtureServer({ era }: McpRequestContext): McpServer {
  const cached = { ttlMs: 300_000, cacheScope: 'private' as const }
  const server = new McpServer(
    { name: 'signalbox-conformance', version: '1.0.0' },
    {
      capabilities: {
        logging: {},
        completions: {},
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
      },
      requestState: { verify: (state, context) => states.verify(state, context) },
      cacheHints: {
        'server/discover': cached,
        'tools/list': cached,
        'prompts/list': cached,
        'resources/list': cached,
        'resources/templates/list': cached,
      },
    },
  )
  // Registered for the lists and for the check of headers; the calls themselves go to callTool, as in the hub.
  const listed = (
    name: string,
    description: string,
    schema: Record<string, unknown> = { type: 'object', properties: {} },
  ) => server.registerTool(name, { description, inputSchema: fromJsonSchema(schema) }, () => text('unreachable'))
  for (const [name, tool] of Object.entries(tools)) listed(name, tool.description, tool.inputSchema)
  for (const [name, job] of Object.entries(jobs)) listed(name, job.description)
  listed('greet', 'Greets at once', { type: 'object', properties: { name: { type: 'string' } } })
  server.server.setRequestHandler('tools/call', ({ params }, context) =>
    callTool(params.name, params.arguments ?? {}, context),
  )
  registerResources(server)
  registerPrompts(server)
  if (era === 'modern') serveTasks(server.server, store.source)
  else {
    server.server.setRequestHandler('resources/subscribe', () => ({}))
    server.server.setRequestHandler('resources/unsubscribe', () => ({}))
  }
  return server
}

async function callTool(name: string, args: Record<string, unknown>, context: ServerContext) {
  const job = jobs[name]
  const before = job?.before?.(context)
  if (before && isInputRequiredResult(before)) return before
  const input = { ...args, ...before }
  if (name === 'greet') return text(`Hello, ${String(input.name)}!`)
  if (job) {
    // The extension lets a handle stand where the result of tools/call does; the SDK's types know only the result.
    if (takesTasks(context)) return toTaskHandle(store.start(name, input)) as unknown as CallToolResult
    if (job.required)
      throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS]: {} } } })
    return await job.work(input, { ask: async () => null, signal: context.mcpReq.signal })
  }
  const tool = tools[name]
  if (!tool) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `There is no tool ${name}`)
  try {
    return await tool.call(input, context)
  } catch (error) {
    if (error instanceof ProtocolError) throw error
    return { ...text(error instanceof Error ? error.message : String(error)), isError: true }
  }
}

function registerResources(server: McpServer): void {
  const plain = { mimeType: 'text/plain', cacheHint: { ttlMs: 1_000, cacheScope: 'private' as const } }
  server.registerResource('static-text', 'test://static-text', { ...plain, description: 'Text' }, (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: 'This is the content of the static text resource.' }],
  }))
  server.registerResource(
    'static-binary',
    'test://static-binary',
    { ...plain, mimeType: 'image/png', description: 'An image' },
    (uri) => ({
      contents: [{ uri: uri.href, mimeType: 'image/png', blob: PNG }],
    }),
  )
  server.registerResource(
    'watched-resource',
    'test://watched-resource',
    { ...plain, description: 'Can be watched' },
    (uri) => ({
      contents: [{ uri: uri.href, mimeType: 'text/plain', text: 'Watched resource content' }],
    }),
  )
  const template = new ResourceTemplate('test://template/{id}/data', { list: undefined })
  server.registerResource(
    'template',
    template,
    { ...plain, mimeType: 'application/json', description: 'By id' },
    (uri, { id }) => ({
      contents: [
        {
          uri: uri.href,
          mimeType: 'application/json',
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` }),
        },
      ],
    }),
  )
}

function registerPrompts(server: McpServer): void {
  const said = (value: string) => ({ role: 'user' as const, content: { type: 'text' as const, text: value } })
  server.registerPrompt('test_simple_prompt', { description: 'Without arguments' }, () => ({
    messages: [said('This is a simple prompt for testing.')],
  }))
  const argument = (description: string) => completable(z.string().describe(description), () => [])
  server.registerPrompt(
    'test_prompt_with_arguments',
    {
      description: 'With arguments',
      argsSchema: z.object({ arg1: argument('First test argument'), arg2: argument('Second test argument') }),
    },
    ({ arg1, arg2 }) => ({ messages: [said(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] }),
  )
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'With a resource', argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri }) => ({
      messages: [
        {
          role: 'user',
          content: {
            type: 'resource',
            resource: { uri: resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' },
          },
        },
        said('Please process the embedded resource above.'),
      ],
    }),
  )
  server.registerPrompt('test_prompt_with_image', { description: 'With an image' }, () => ({
    messages: [
      { role: 'user', content: { type: 'image', data: PNG, mimeType: 'image/png' } },
      said('Please analyze the image above.'),
    ],
  }))
  server.registerPrompt('test_input_required_result_prompt', { description: 'Asks before it is made' }, (context) => {
    const answer = z
      .looseObject({ content: z.looseObject({ context: z.string() }) })
      .safeParse(context.mcpReq.inputResponses?.user_context)
    if (answer.success) return { messages: [said(`Prompt with context: ${answer.data.content.context}`)] }
    const requestedSchema = {
      type: 'object' as const,
      properties: { context: { type: 'string' as const } },
      required: ['context'],
    }
    return inputRequired({
      inputRequests: {
        user_context: inputRequired.elicit({ message: 'What context should the prompt use?', requestedSchema }),
      },
    })
  })
}

const server = serve(
  { fetch: endpoint.app.fetch, port: Number(process.env.PORT ?? 0), hostname: '127.0.0.1' },
  ({ port }) => {
    console.log(`http://127.0.0.1:${port}/mcp`)
  },
)
process.once('SIGTERM', () => {
  server.close()
  void endpoint.close().then(() => process.exit(0))
})
