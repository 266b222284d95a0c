import * as z from 'zod'
import { Approval } from '../../core/index.ts'
import { tool } from '../tool.ts'

export const approvalDecide = tool({
  name: 'approval_decide',
  title: 'Decide an approval',
  description:
    'Decides what a run waits for, once. Ask the person you work for first: it lets an agent do what it was held back from. The run goes on by itself; follow it with run_get.',
  input: z.strictObject({
    approval_id: z.string().min(1),
    option_id: z.string().min(1).describe('One of the ids in the options of the approval.'),
    note: z.string().max(4_000).optional().describe('Told to the agent.'),
  }),
  output: Approval,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  handler: async (core, actor, { approval_id, option_id, note }) => {
    const approval = await core.approvals.decide(actor, approval_id, {
      option_id,
      ...(note === undefined ? {} : { note }),
    })
    const option = approval.options.find(({ id }) => id === approval.option_id)
    return {
      structured: approval,
      text: `Approval ${approval.id} is decided: ${option?.label ?? approval.option_id}. Run ${approval.run_id} goes on; follow it with run_get.`,
    }
  },
})
