import * as z from 'zod'
import { Approval, ApprovalStatus } from '../../core/index.ts'
import { shorten } from '../run-answer.ts'
import { tool } from '../tool.ts'

export const approvalsList = tool({
  name: 'approvals_list',
  title: 'List approvals',
  description: 'What runs wait for: permissions, questions, sign-ins, with the options to decide by. Newest first.',
  input: z.strictObject({
    status: ApprovalStatus.default('pending'),
    run_id: z.string().optional(),
    limit: z.number().int().min(1).max(100).default(20),
    cursor: z.string().max(200).optional().describe('next_cursor of the last page.'),
  }),
  output: z.object({ approvals: z.array(Approval), next_cursor: z.string().nullable() }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  handler: async (core, actor, input) => {
    const page = await core.approvals.list(actor, input)
    const lines = page.data.map((approval) => {
      const options = approval.options.map((option) => option.id).join(' | ')
      const what = approval.tool ? ` ${approval.tool} ${shorten(JSON.stringify(approval.arguments ?? {}), 500)}` : ''
      return `- ${approval.id} (${approval.status}) run ${approval.run_id} of ${approval.agent}: ${approval.message}${what} [${options}]`
    })
    return {
      structured: { approvals: page.data, next_cursor: page.next_cursor },
      text: lines.length > 0 ? lines.join('\n') : `No approval is ${input.status}.`,
    }
  },
})
