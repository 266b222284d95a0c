/** Tools whose calls become tasks, and the tasks in memory. */
import { randomUUID } from 'node:crypto'
import {
  acceptedContent,
  type CallToolResult,
  type InputRequiredResult,
  inputRequired,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
} from '@modelcontextprotocol/server'
import * as z from 'zod'
import type { Task, TaskSource } from '../../mcp/tasks.ts'
import { text } from './content.ts'

type Job = {
  /** The work; asks a person through `ask`. Throws ProtocolError for a failed task, anything else for a result that is an error. */
  work: (
    input: Record<string, unknown>,
    io: { ask: (key: string, message: string) => Promise<unknown>; signal: AbortSignal },
  ) => Promise<CallToolResult>
  description: string
  /** Asks before the task is made, or answers with what the work is given. */
  before?: (context: ServerContext) => InputRequiredResult | Record<string, unknown>
  /** True: without the extension the call is refused. */
  required?: boolean
}

const sleep = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(new Error('cancelled'))
    })
  })

export const jobs: Record<string, Job> = {
  slow_compute: {
    description: 'Works for some seconds',
    work: async ({ seconds, label }, { signal }) => {
      await sleep(Number(seconds ?? 1) * 1_000, signal)
      return text(`Computed ${typeof label === 'string' ? label : 'it'}`)
    },
  },
  failing_job: {
    description: 'Ends with an error of the tool',
    required: true,
    work: async (_input, { signal }) => {
      await sleep(500, signal)
      return { ...text('The job failed'), isError: true }
    },
  },
  protocol_error_job: {
    description: 'Ends with an error of the protocol',
    work: async (_input, { signal }) => {
      await sleep(200, signal)
      throw new ProtocolError(ProtocolErrorCode.InternalError, 'The job broke')
    },
  },
  confirm_delete: {
    description: 'Asks before it deletes',
    work: async ({ filename }, { ask }) => {
      const answer = await ask('confirm', `Delete ${String(filename)}?`)
      return text(`Answered: ${JSON.stringify(answer)}`)
    },
  },
  multi_input: {
    description: 'Asks two things at once',
    work: async (_input, { ask }) => {
      const answers = await Promise.all([ask('first', 'First?'), ask('second', 'Second?')])
      return text(`Answered: ${JSON.stringify(answers)}`)
    },
  },
  test_tool_with_task: {
    description: 'Asks for a name by its result, then becomes a task',
    before: (context) => {
      const name = acceptedContent(
        context.mcpReq.inputResponses,
        'user_name',
        z.looseObject({ name: z.string() }),
      )?.name
      if (name !== undefined) return { name }
      const requestedSchema = {
        type: 'object' as const,
        properties: { name: { type: 'string' as const } },
        required: ['name'],
      }
      return inputRequired({
        inputRequests: { user_name: inputRequired.elicit({ message: 'What is your name?', requestedSchema }) },
      })
    },
    work: async ({ name }) => text(`Done for ${String(name)}`),
  },
}

type Kept = { task: Task; stop: AbortController; answers: Map<string, (response: unknown) => void> }

export function createTaskStore() {
  const kept = new Map<string, Kept>()
  const find = (taskId: string): Kept => {
    const found = kept.get(taskId)
    if (!found) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `There is no task ${taskId}`)
    return found
  }
  const source: TaskSource = {
    get: async (taskId) => find(taskId).task,
    answer: async (taskId, responses) => {
      const { answers } = find(taskId)
      for (const [key, response] of Object.entries(responses)) answers.get(key)?.(response)
    },
    cancel: async (taskId) => {
      const entry = find(taskId)
      if (entry.task.status !== 'working' && entry.task.status !== 'input_required') return
      entry.stop.abort()
      entry.task = { ...described(entry.task), status: 'cancelled' }
    },
  }
  function start(name: string, input: Record<string, unknown>): Task {
    const now = new Date().toISOString()
    const task: Task = {
      taskId: randomUUID(),
      status: 'working',
      createdAt: now,
      lastUpdatedAt: now,
      ttlMs: 60_000,
      pollIntervalMs: 100,
    }
    const entry: Kept = { task, stop: new AbortController(), answers: new Map() }
    kept.set(task.taskId, entry)
    const open: Record<string, unknown> = {}
    const state = () => {
      const waiting = Object.keys(open).length > 0
      entry.task = waiting
        ? { ...described(entry.task), status: 'input_required', inputRequests: { ...open } }
        : { ...described(entry.task), status: 'working' }
    }
    const ask = (key: string, message: string) =>
      new Promise<unknown>((resolve) => {
        open[key] = elicitation(message)
        entry.answers.set(key, (response) => {
          delete open[key]
          entry.answers.delete(key)
          state()
          resolve(response)
        })
        state()
      })
    void jobs[name]?.work(input, { ask, signal: entry.stop.signal }).then(
      (result) => {
        if (!entry.stop.signal.aborted) entry.task = { ...described(entry.task), status: 'completed', result }
      },
      (error: unknown) => {
        if (entry.stop.signal.aborted) return
        const message = error instanceof Error ? error.message : String(error)
        entry.task =
          error instanceof ProtocolError
            ? { ...described(entry.task), status: 'failed', error: { code: error.code, message } }
            : { ...described(entry.task), status: 'completed', result: { ...text(message), isError: true } }
      },
    )
    return task
  }
  return { source, start }
}

function described({ taskId, createdAt, ttlMs, pollIntervalMs }: Task) {
  return { taskId, createdAt, lastUpdatedAt: new Date().toISOString(), ttlMs, pollIntervalMs }
}

function elicitation(message: string) {
  const requestedSchema = { type: 'object', properties: { confirmed: { type: 'boolean' } }, required: ['confirmed'] }
  return { method: 'elicitation/create', params: { mode: 'form', message, requestedSchema } }
}
