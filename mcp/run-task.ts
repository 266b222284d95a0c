/** A run as a task: what it waits for becomes elicitations, its outcome the result of the call that started it. */
import { ProtocolError, ProtocolErrorCode, type ServerContext } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { type Actor, type Approval, type Core, HubError, isTerminal, type Run } from '../core/index.ts'
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
        inputRequests: Object.fromEntries(open.map((approval) => [approval.id, toElicitation(approval)])),
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
    answer: (taskId, responses, context) => told(answerAll(core, actorOf(context), taskId, responses)),
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

/** One form for one approval: an option to pick, or an answer to write, and room for a note. */
function toElicitation(approval: Approval) {
  const what = approval.tool ? `\n\n${approval.tool} ${JSON.stringify(approval.arguments ?? {})}` : ''
  const decision = {
    type: 'string',
    title: 'Decision',
    oneOf: approval.options.map(({ id, label }) => ({ const: id, title: label })),
  }
  const properties =
    approval.options.length > 0
      ? { decision, note: { type: 'string', title: 'Note', description: 'Told to the agent.' } }
      : { answer: { type: 'string', title: 'Answer' } }
  return {
    method: 'elicitation/create',
    params: {
      mode: 'form',
      message: `${approval.agent} waits (${approval.kind}): ${approval.message}${what}`,
      requestedSchema: {
        type: 'object',
        properties,
        required: approval.options.length > 0 ? ['decision'] : ['answer'],
      },
    },
  }
}

const Response = z.discriminatedUnion('action', [
  z.looseObject({
    action: z.literal('accept'),
    content: z.looseObject({
      decision: z.string().optional(),
      answer: z.string().optional(),
      note: z.string().max(4_000).optional(),
    }),
  }),
  z.looseObject({ action: z.literal('decline') }),
  z.looseObject({ action: z.literal('cancel') }),
])

async function answerAll(core: Core, actor: Actor, runId: string, responses: Record<string, unknown>): Promise<void> {
  const run = await core.runs.get(actor, runId)
  for (const approval of run.pending) {
    // Answers to what is not waited for are left alone, as the extension says.
    if (approval.status !== 'pending' || !(approval.id in responses)) continue
    const response = Response.safeParse(responses[approval.id])
    if (!response.success)
      throw new HubError('invalid_request', `The response to ${approval.id} is not an elicitation result.`)
    await answerOne(core, actor, approval, response.data)
  }
}

async function answerOne(
  core: Core,
  actor: Actor,
  approval: Approval,
  response: z.infer<typeof Response>,
): Promise<void> {
  switch (response.action) {
    case 'cancel':
      // Neither yes nor no: the run goes on waiting.
      return
    case 'decline': {
      const no =
        approval.options.find(({ kind }) => kind === 'reject_once') ??
        approval.options.find(({ kind }) => kind === 'reject_always')
      if (no) await core.approvals.decide(actor, approval.id, { option_id: no.id })
      return
    }
    case 'accept': {
      const { decision, answer, note } = response.content
      if (decision !== undefined)
        await core.approvals.decide(actor, approval.id, { option_id: decision, ...(note ? { note } : {}) })
      else if (answer !== undefined) await core.sessions.send(actor, approval.session_id, { prompt: answer })
      else throw new HubError('invalid_request', `The response to ${approval.id} has neither decision nor answer.`)
    }
  }
}
