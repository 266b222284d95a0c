import * as z from 'zod'
import { answerRun, RunAnswer } from '../run-answer.ts'
import { requestKey } from '../run-request.ts'
import { tool } from '../tool.ts'

export const scheduleRun = tool({
  name: 'schedule_run',
  title: 'Run a schedule now',
  description:
    'Starts the work of a schedule once, now, beside its regular times. Returns as soon as the run is accepted.',
  input: z.strictObject({
    schedule: z.string().min(1).describe('Name or id.'),
    idempotency_key: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .describe('The same key again returns the first run instead of starting another.'),
  }),
  output: RunAnswer,
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  handler: async (core, actor, { schedule, idempotency_key }) =>
    answerRun(await core.schedules.runNow(actor, schedule, requestKey(actor, idempotency_key))),
})
