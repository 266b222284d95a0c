import * as z from 'zod'
import { RunStatus } from '../../core/index.ts'
import { RunLine, toRunLine } from '../run-answer.ts'
import { tool } from '../tool.ts'

export const runList = tool({
  name: 'run_list',
  title: 'List runs',
  description: 'Runs, newest first, without their output; run_get has one in full.',
  input: z.strictObject({
    agent: z.string().optional().describe('Name or id.'),
    session_id: z.string().optional(),
    status: RunStatus.optional(),
    since: z.iso.datetime({ offset: true }).optional().describe('Only runs made at or after this time (ISO 8601).'),
    limit: z.number().int().min(1).max(100).default(20),
    cursor: z.string().max(200).optional().describe('next_cursor of the last page.'),
  }),
  output: z.object({ runs: z.array(RunLine), next_cursor: z.string().nullable() }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  handler: async (core, actor, input) => {
    const page = await core.runs.list(actor, input)
    const runs = page.data.map(toRunLine)
    const lines = runs.map(
      (run) => `- ${run.id} ${run.status} ${run.agent}, ${run.created_at}: ${run.prompt_start.replaceAll(/\s+/g, ' ')}`,
    )
    const more = page.next_cursor ? [`More: run_list with cursor ${page.next_cursor}`] : []
    return {
      structured: { runs, next_cursor: page.next_cursor },
      text: lines.length > 0 ? [...lines, ...more].join('\n') : 'No run matches.',
    }
  },
})
