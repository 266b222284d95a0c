import * as z from 'zod'
import { tool } from '../tool.ts'

export const scheduleDelete = tool({
  name: 'schedule_delete',
  title: 'Delete a schedule',
  description: 'Ends a schedule. The runs that it made stay.',
  input: z.strictObject({ schedule: z.string().min(1).describe('Name or id.') }),
  output: z.object({ schedule: z.string(), deleted: z.boolean() }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  handler: async (core, actor, { schedule }) => {
    await core.schedules.remove(actor, schedule)
    return { structured: { schedule, deleted: true }, text: `Schedule ${schedule} is deleted.` }
  },
})
