import * as z from 'zod'
import { answerRun, RunAnswer } from '../run-answer.ts'
import { tool } from '../tool.ts'

export const runCancel = tool({
  name: 'run_cancel',
  title: 'Stop a run',
  description: 'Asks a run to stop. It may take a moment: run_get tells when it is over. Asking twice changes nothing.',
  input: z.strictObject({ run_id: z.string().min(1), reason: z.string().max(1_000).optional() }),
  output: RunAnswer,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  handler: async (core, actor, { run_id, reason }) =>
    answerRun(await core.runs.stop(actor, run_id, reason === undefined ? {} : { reason })),
})
