/** What a run waits for as a form for the person at the client, and the person's answer as a decision. */
import type { ElicitRequestFormParams } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { type Actor, type Approval, type Core, HubError } from '../core/index.ts'

/** One form for one approval: an option to pick with room for a note, or an answer to write. */
export function toForm(approval: Approval): ElicitRequestFormParams {
  const { agent, kind, tool, arguments: args, options } = approval
  const what = tool ? `\n\n${tool} ${JSON.stringify(args ?? {})}` : ''
  const message = `${agent} waits (${kind}): ${approval.message}${what}`
  if (options.length === 0) {
    const answer = { type: 'string' as const, title: 'Answer' }
    return { mode: 'form', message, requestedSchema: { type: 'object', properties: { answer }, required: ['answer'] } }
  }
  const decision = {
    type: 'string' as const,
    title: 'Decision',
    oneOf: options.map(({ id, label }) => ({ const: id, title: label })),
  }
  const note = { type: 'string' as const, title: 'Note', description: 'Told to the agent.' }
  return {
    mode: 'form',
    message,
    requestedSchema: { type: 'object', properties: { decision, note }, required: ['decision'] },
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

/** Decides by the responses to forms, keyed by approval id; what is no longer waited for is left alone. */
export async function answerApprovals(
  core: Core,
  actor: Actor,
  runId: string,
  responses: Record<string, unknown>,
): Promise<void> {
  const run = await core.runs.get(actor, runId)
  for (const approval of run.pending) {
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
