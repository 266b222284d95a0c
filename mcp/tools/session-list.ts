import * as z from 'zod'
import { Session } from '../../core/index.ts'
import { tool } from '../tool.ts'

export const sessionList = tool({
  name: 'session_list',
  title: 'List sessions',
  description: 'Conversations with agents, newest first. session_get reads one, session_send goes on in it.',
  input: z.strictObject({
    agent: z.string().optional().describe('Name or id.'),
    status: Session.shape.status.optional(),
    limit: z.number().int().min(1).max(100).default(20),
    cursor: z.string().max(200).optional().describe('next_cursor of the last page.'),
  }),
  output: z.object({ sessions: z.array(Session), next_cursor: z.string().nullable() }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  handler: async (core, actor, input) => {
    const page = await core.sessions.list(actor, input)
    const lines = page.data.map(
      (session) =>
        `- ${session.id} ${session.status} ${session.agent}, ${session.runs} runs: ${session.title ?? 'no title'}`,
    )
    const more = page.next_cursor ? [`More: session_list with cursor ${page.next_cursor}`] : []
    return {
      structured: { sessions: page.data, next_cursor: page.next_cursor },
      text: lines.length > 0 ? [...lines, ...more].join('\n') : 'No session matches.',
    }
  },
})
