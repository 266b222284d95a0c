/**
 * Approvals put to the person at the client while a call is open (2026-07-28: multi round-trip requests): the call answers with
 * forms, and comes again with the answers. Older clients are asked by nobody: their calls would stay open until the person is back.
 */
import {
  CLIENT_CAPABILITIES_META_KEY,
  type InputRequiredResult,
  inputRequired,
  type ServerContext,
} from '@modelcontextprotocol/server'
import * as z from 'zod'
import type { Actor, Core, Run } from '../core/index.ts'
import { answerApprovals, toForm } from './approval-form.ts'

const Declared = z.looseObject({ elicitation: z.looseObject({}) })

/** The forms for what the run waits for and was not asked in this call already; undefined when there are none to show. */
export function askPerson(run: Run, context: ServerContext): InputRequiredResult | undefined {
  const asked = context.mcpReq.inputResponses ?? {}
  const open = run.pending.filter(({ id, status }) => status === 'pending' && !(id in asked))
  if (open.length === 0 || !showsForms(context)) return undefined
  return inputRequired({
    inputRequests: Object.fromEntries(open.map((approval) => [approval.id, inputRequired.elicit(toForm(approval))])),
    // Not sealed: a client that changes it names another run, which it gets only as far as its token reads it.
    requestState: run.id,
  })
}

/** Takes the answers that the call came again with; the run they are for, undefined when it is a first call. */
export async function takeAnswers(core: Core, actor: Actor, context: ServerContext): Promise<Run | undefined> {
  const runId: unknown = context.mcpReq.requestState()
  const { inputResponses } = context.mcpReq
  if (typeof runId !== 'string') return undefined
  await answerApprovals(core, actor, runId, inputResponses ?? {})
  return await core.runs.get(actor, runId)
}

/** `elicitation: {}` means forms, as it did before there was another mode. */
function showsForms(context: ServerContext): boolean {
  const envelope: Record<string, unknown> | undefined = context.mcpReq.envelope
  const declared = Declared.safeParse(envelope?.[CLIENT_CAPABILITIES_META_KEY])
  if (!declared.success) return false
  const modes = Object.keys(declared.data.elicitation)
  return modes.length === 0 || modes.includes('form')
}
