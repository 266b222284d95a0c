import * as z from 'zod'
import { Schedule } from '../../core/index.ts'
import { tool } from '../tool.ts'

export const scheduleList = tool({
  name: 'schedule_list',
  title: 'List schedules',
  description: 'Work that agents get by the clock, sorted by name, with the next five times of each.',
  input: z.strictObject({
    agent: z.string().optional().describe('Name or id.'),
    limit: z.number().int().min(1).max(100).default(20),
    cursor: z.string().max(200).optional().describe('next_cursor of the last page.'),
  }),
  output: z.object({ schedules: z.array(Schedule), next_cursor: z.string().nullable() }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  handler: async (core, actor, input) => {
    const page = await core.schedules.list(actor, input)
    const lines = page.data.map(
      (schedule) =>
        `- ${schedule.name}: ${schedule.agent} at ${schedule.cron} ${schedule.timezone}, ${schedule.enabled ? `next ${schedule.next_runs[0] ?? 'never'}` : 'off'}`,
    )
    return {
      structured: { schedules: page.data, next_cursor: page.next_cursor },
      text: lines.length > 0 ? lines.join('\n') : 'No schedule matches.',
    }
  },
})
