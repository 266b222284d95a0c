/** The hub as an MCP server: what each request method answers. One `Server` serves one request (modern) or one session (legacy). */
import {
  type CallToolResult,
  type InputRequiredResult,
  type McpRequestContext,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  // The low-level class on purpose: the catalogue is compiled once for all requests, where McpServer registers it anew for each.
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server'
import {
  type Actor,
  type Core,
  faultMessage,
  faultTrace,
  HubError,
  type Log,
  newId,
  toErrorBody,
} from '../core/index.ts'
import { askPerson, takeAnswers } from './ask-person.ts'
import { toRefusal, toToolResult } from './call-tool.ts'
import { type Catalogue, findResource } from './catalogue.ts'
import { instructions } from './instructions.ts'
import { listResources } from './resources/list.ts'
import { answerRun } from './run-answer.ts'
import { followRun } from './run-progress.ts'
import { DEFAULT_WAIT_SECONDS } from './run-request.ts'
import { runTasks, toTask } from './run-task.ts'
import type { Subscriptions, Unsubscribe } from './subscriptions.ts'
import { serveTasks, takesTasks, toTaskHandle } from './tasks.ts'
import type { ToolContext } from './tool.ts'

/** Resources that one legacy session may be subscribed to at once. */
const MAX_SESSION_SUBSCRIPTIONS = 100
const CACHE_MS = 300_000

export type HubServerParts = {
  core: Core
  log: Log
  version: string
  catalogue: Catalogue
  subscriptions: Subscriptions
  /** Who asks: from the token of the very request, so that a revoked token ends a session's rights too. */
  actorOf: (context: ServerContext) => Actor
}

export function hubServer(parts: HubServerParts, { era }: McpRequestContext): Server {
  const { catalogue, core, version } = parts
  const listed = { ttlMs: CACHE_MS, cacheScope: 'private' as const }
  const server = new Server(
    { name: 'signalbox', title: 'Signalbox', version },
    {
      instructions,
      capabilities: { tools: {}, resources: { subscribe: true }, prompts: {}, completions: {} },
      cacheHints: {
        'server/discover': listed,
        'tools/list': listed,
        'prompts/list': listed,
        'resources/templates/list': listed,
      },
    },
  )
  server.setRequestHandler('tools/list', () => ({ tools: catalogue.tools }))
  server.setRequestHandler('tools/call', ({ params }, context) =>
    callTool(parts, params.name, params.arguments, context),
  )
  server.setRequestHandler('prompts/list', () => ({ prompts: catalogue.prompts }))
  server.setRequestHandler('prompts/get', ({ params }, context) =>
    getPrompt(parts, params.name, params.arguments ?? {}, context),
  )
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: catalogue.resourceTemplates }))
  server.setRequestHandler('resources/list', ({ params }, context) =>
    told(parts, listResources(core, parts.actorOf(context), params?.cursor)),
  )
  server.setRequestHandler('resources/read', ({ params }, context) => readResource(parts, params.uri, context))
  server.setRequestHandler('completion/complete', ({ params }, context) => complete(parts, params, context))
  if (era === 'legacy') serveSubscriptions(server, parts)
  else serveTasks(server, runTasks(core, parts.actorOf))
  return server
}

async function callTool(
  parts: HubServerParts,
  name: string,
  input: unknown,
  context: ServerContext,
): Promise<CallToolResult | InputRequiredResult> {
  const tool = parts.catalogue.toolsByName.get(name)
  if (!tool)
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, `There is no tool ${name}; tools/list has them all.`)
  const { core, log } = parts
  const toolContext = toToolContext(context)
  try {
    const actor = parts.actorOf(context)
    const answered = tool.runs ? await takeAnswers(core, actor, context) : undefined
    const answer = answered
      ? answerRun(await followRun(core, actor, answered, { seconds: DEFAULT_WAIT_SECONDS, context: toolContext }))
      : await tool.call(core, actor, input, toolContext)
    if (!tool.runs || !answer.run) return toToolResult(answer)
    // The extension lets a handle stand where the result of tools/call does; the SDK's types know only the result.
    if (toolContext.asTask && tool.runs === 'starts')
      return toTaskHandle(toTask(answer.run)) as unknown as CallToolResult
    return askPerson(answer.run, context) ?? toToolResult(answer)
  } catch (error) {
    return toRefusal(error, log, name)
  }
}

function toToolContext(context: ServerContext): ToolContext {
  const { signal, _meta, notify } = context.mcpReq
  const progressToken = _meta?.progressToken
  const asTask = takesTasks(context)
  if (progressToken === undefined) return { signal, asTask }
  const progress = (done: number, message: string) =>
    notify({ method: 'notifications/progress', params: { progressToken, progress: done, message } })
  return { signal, asTask, progress }
}

async function getPrompt(parts: HubServerParts, name: string, values: Record<string, string>, context: ServerContext) {
  const prompt = parts.catalogue.promptsByName.get(name)
  if (!prompt)
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, `There is no prompt ${name}; prompts/list has them all.`)
  const missing = prompt.arguments.filter((argument) => !values[argument.name]).map((argument) => argument.name)
  if (missing.length > 0)
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, `The prompt ${name} needs ${missing.join(' and ')}.`)
  const text = await told(parts, prompt.text(parts.core, parts.actorOf(context), values))
  return {
    description: prompt.description,
    messages: [{ role: 'user' as const, content: { type: 'text' as const, text } }],
  }
}

async function readResource({ catalogue, ...parts }: HubServerParts, uri: string, context: ServerContext) {
  const found = findResource(catalogue, uri)
  if (!found) throw new ResourceNotFoundError(uri)
  try {
    const text = await found.resource.read(parts.core, parts.actorOf(context), found.id)
    return { contents: [{ uri, mimeType: found.resource.mimeType, text }] }
  } catch (error) {
    if (error instanceof HubError && error.status === 404)
      throw new ResourceNotFoundError(uri, `${error.message} ${error.hint}`)
    throw toProtocolError(parts.log, error)
  }
}

type Completion = {
  ref: { type: 'ref/prompt'; name: string } | { type: 'ref/resource'; uri: string }
  argument: { name: string; value: string }
}

async function complete(
  { catalogue, ...parts }: HubServerParts,
  { ref, argument }: Completion,
  context: ServerContext,
) {
  const completer =
    ref.type === 'ref/prompt'
      ? catalogue.promptsByName.get(ref.name)?.arguments.find(({ name }) => name === argument.name)?.complete
      : catalogue.resources.find(({ uriTemplate }) => uriTemplate === ref.uri)?.complete
  const values = completer ? await told(parts, completer(parts.core, parts.actorOf(context), argument.value)) : []
  // The protocol allows 100 values.
  return { completion: { values: values.slice(0, 100), total: values.length, hasMore: values.length > 100 } }
}

/** Legacy clients subscribe by request and hear on their session's stream; modern ones by subscriptions/listen. */
function serveSubscriptions(server: Server, parts: HubServerParts): void {
  const open = new Map<string, Unsubscribe>()
  server.setRequestHandler('resources/subscribe', async ({ params: { uri } }, context) => {
    if (open.has(uri)) return {}
    if (open.size >= MAX_SESSION_SUBSCRIPTIONS)
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `This session is subscribed to ${open.size} resources, which is as many as may be.`,
      )
    const changed = () => {
      server
        .sendResourceUpdated({ uri })
        .catch((error: unknown) => parts.log.warn('mcp update not sent', { uri, error: faultMessage(error) }))
    }
    const unsubscribe = await told(parts, parts.subscriptions.subscribe(parts.actorOf(context), uri, changed))
    // The same request twice at once: the second finds the first here.
    if (open.has(uri)) unsubscribe()
    else open.set(uri, unsubscribe)
    return {}
  })
  server.setRequestHandler('resources/unsubscribe', ({ params: { uri } }) => {
    open.get(uri)?.()
    open.delete(uri)
    return {}
  })
  server.onclose = () => {
    for (const unsubscribe of open.values()) unsubscribe()
    open.clear()
  }
}

/** Waits for work; what it refuses becomes a JSON-RPC error that says what to do. */
async function told<T>({ log }: Pick<HubServerParts, 'log'>, work: Promise<T> | T): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw toProtocolError(log, error)
  }
}

function toProtocolError(log: Log, error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error
  const { body } = toErrorBody(error, newId('req'))
  const { code, message, hint, request_id } = body.error
  if (code === 'internal') log.error('mcp request failed', { request_id, error: faultTrace(error) })
  const kind = code === 'internal' ? ProtocolErrorCode.InternalError : ProtocolErrorCode.InvalidParams
  return new ProtocolError(kind, `${message} ${hint}`, { code, hint, request_id })
}
