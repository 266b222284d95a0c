import * as z from 'zod'
import { Schedule, ScheduleDefinition } from '../../core/index.ts'
import { changesOf } from '../changes.ts'
import { tool } from '../tool.ts'

export const scheduleUpdate = tool({
  name: 'schedule_update',
  title: 'Change a schedule',
  description: 'Replaces fields of a schedule; enabled false pauses it.',
  input: z.strictObject({
    schedule: z.string().min(1).describe('Name or id.'),
    version: z.number().int().optional().describe('The version you read; refused when the schedule has changed since.'),
    changes: changesOf(ScheduleDefinition.shape),
  }),
  output: Schedule,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  handler: async (core, actor, { schedule: ref, version, changes }) => {
    const schedule = await core.schedules.update(actor, ref, {
      ...changes,
      ...(version === undefined ? {} : { version }),
    })
    return {
      structured: schedule,
      text: `Schedule ${schedule.name} is now at version ${schedule.version}. Next: ${schedule.next_runs.join(', ') || 'never'}.`,
    }
  },
})
