/**
 * The tasks extension of MCP 2026-07-28 (`io.modelcontextprotocol/tasks`): a call answered with a handle, then polled,
 * answered and cancelled by it. Here is the wire; what a task is, the source says.
 */
import {
  CLIENT_CAPABILITIES_META_KEY,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server'
import * as z from 'zod'

export const TASKS = 'io.modelcontextprotocol/tasks'

type Described = {
  taskId: string
  statusMessage?: string
  createdAt: string
  lastUpdatedAt: string
  /** Milliseconds from creation for which the task can be read; null: for good. */
  ttlMs: number | null
  pollIntervalMs: number
}

export type Task = Described &
  (
    | { status: 'working' | 'cancelled' }
    | { status: 'input_required'; inputRequests: Record<string, unknown> }
    | { status: 'completed'; result: Record<string, unknown> }
    | { status: 'failed'; error: { code: number; message: string } }
  )

/** Each throws a ProtocolError (-32602) for a task that is not there or that the caller may not see. */
export type TaskSource = {
  get: (taskId: string, context: ServerContext) => Promise<Task>
  /** Answers by the keys of `inputRequests`; keys that are not waited for are left alone. */
  answer: (taskId: string, responses: Record<string, unknown>, context: ServerContext) => Promise<void>
  /** Asks for the end; a task that is over stays as it is. */
  cancel: (taskId: string, context: ServerContext) => Promise<void>
}

const Declared = z.looseObject({ extensions: z.record(z.string(), z.unknown()) })

/** True when the request itself says that its sender takes task handles. */
export function takesTasks(context: ServerContext): boolean {
  const envelope: Record<string, unknown> | undefined = context.mcpReq.envelope
  const declared = Declared.safeParse(envelope?.[CLIENT_CAPABILITIES_META_KEY])
  return declared.success && TASKS in declared.data.extensions
}

/** The result of a call in place of its own: a handle, without what only `tasks/get` tells. */
export function toTaskHandle(task: Task) {
  const { taskId, status, statusMessage, createdAt, lastUpdatedAt, ttlMs, pollIntervalMs } = task
  return {
    resultType: 'task' as const,
    taskId,
    status,
    ...(statusMessage === undefined ? {} : { statusMessage }),
    createdAt,
    lastUpdatedAt,
    ttlMs,
    pollIntervalMs,
  }
}

const ById = z.looseObject({ taskId: z.string() })
const Result = z.looseObject({})

export function serveTasks(server: Server, source: TaskSource): void {
  server.registerCapabilities({ extensions: { [TASKS]: {} } })
  server.setRequestHandler('tasks/get', { params: ById, result: Result }, async ({ taskId }, context) => {
    mustTakeTasks(context)
    return { resultType: 'complete', ...(await source.get(taskId, context)) }
  })
  server.setRequestHandler('tasks/update', { params: ById, result: Result }, async ({ taskId }, context) => {
    mustTakeTasks(context)
    // Not in the params: the protocol layer lifts the responses out of every request.
    const { inputResponses } = context.mcpReq
    if (!inputResponses) throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'tasks/update needs inputResponses')
    await source.answer(taskId, inputResponses, context)
    return { resultType: 'complete' }
  })
  server.setRequestHandler('tasks/cancel', { params: ById, result: Result }, async ({ taskId }, context) => {
    mustTakeTasks(context)
    await source.cancel(taskId, context)
    return { resultType: 'complete' }
  })
}

function mustTakeTasks(context: ServerContext): void {
  if (!takesTasks(context))
    throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS]: {} } } })
}
