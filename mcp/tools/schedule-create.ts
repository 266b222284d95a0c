import * as z from 'zod'
import { Name, Schedule, ScheduleDefinition } from '../../core/index.ts'
import { tool } from '../tool.ts'

export const scheduleCreate = tool({
  name: 'schedule_create',
  title: 'Create a schedule',
  description:
    'Gives an agent a prompt by the clock, on your behalf: a cron line, an IANA time zone, and what happens to missed and overlapping ticks.',
  input: z.strictObject({ name: Name, ...ScheduleDefinition.shape }),
  output: Schedule,
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  handler: async (core, actor, input) => {
    const schedule = await core.schedules.create(actor, input)
    return {
      structured: schedule,
      text: `Schedule ${schedule.name} (${schedule.id}) is there. Next: ${schedule.next_runs.join(', ') || 'never'}.`,
    }
  },
})
