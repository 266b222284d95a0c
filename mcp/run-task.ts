/** A run as a task: what it waits for becomes elicitations, its outcome the result of the call that started it. */
import { ProtocolError, ProtocolErrorCode, type ServerContext } from '@modelcontextprotocol/server'
import { type Actor, type Core, HubError, isTerminal, type Run } from '../core/index.ts'
import { answerApprovals, toForm } from './approval-form.ts'
import { toToolResult } from './call-tool.ts'
import { answerRun } from './run-answer.ts'
import type { Task, TaskSource } from './tasks.ts'

const POLL_MS = 1_000

export function toTask(run: Run): Task {
  const described = {
    taskId: run.id,
    statusMessage: `${run.agent}: ${run.status}`,
    createdAt: run.created_at,
    lastUpdatedAt: run.finished_at ?? run.started_at ?? run.created_at,
    ttlMs: null,
    pollIntervalMs: POLL_MS,
  }
  switch (run.status) {
    case 'queued':
    case 'running':
      return { ...described, status: 'working' }
    case 'awaiting_input': {
      const open = run.pending.filter(({ status }) => status === 'pending')
      return {
        ...described,
        status: 'input_required',
        inputRequests: Object.fromEntries(
          open.map((approval) => [approval.id, { method: 'elicitation/create', params: toForm(approval) }]),
        ),
      }
    }
    case 'succeeded':
    case 'failed':
      return { ...described, status: 'completed', result: toToolResult(answerRun(run)) }
    case 'cancelled':
      return { ...described, status: 'cancelled' }
  }
}

/** Tasks are the runs that the actor of the request may read. */
export function runTasks(core: Core, actorOf: (context: ServerContext) => Actor): TaskSource {
  const told = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      if (!(error instanceof HubError)) throw error
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `${error.message} ${error.hint}`, { code: error.code })
    }
  }
  return {
    get: async (taskId, context) => toTask(await told(core.runs.get(actorOf(context), taskId))),
    answer: (taskId, responses, context) => told(answerApprovals(core, actorOf(context), taskId, responses)),
    cancel: async (taskId, context) => {
      const actor = actorOf(context)
      const run = await told(core.runs.get(actor, taskId))
      if (isTerminal(run.status)) return
      await told(
        core.runs.stop(actor, taskId, { reason: 'The task was cancelled.' }).catch((error: unknown) => {
          // It ended in the meantime, which is what was asked for.
          if (!(error instanceof HubError && error.code === 'run_finished')) throw error
        }),
      )
    },
  }
}
