import * as z from 'zod'
import { isTerminal } from '../../core/index.ts'
import { answerRun, RunAnswer } from '../run-answer.ts'
import { followRun } from '../run-progress.ts'
import { WaitSeconds } from '../run-request.ts'
import { tool } from '../tool.ts'

export const runGet = tool({
  name: 'run_get',
  title: 'Look at a run',
  description:
    'A run with its status, output, usage and what it waits for. With wait_seconds it returns when that changes or the run is over.',
  input: z.strictObject({ run_id: z.string().min(1), wait_seconds: WaitSeconds.default(0) }),
  output: RunAnswer,
  annotations: { readOnlyHint: true, openWorldHint: false },
  runs: 'follows',
  handler: async (core, actor, { run_id, wait_seconds }, context) => {
    const run = await core.runs.get(actor, run_id)
    if (wait_seconds === 0 || isTerminal(run.status)) return answerRun(run)
    return answerRun(await followRun(core, actor, run, { seconds: wait_seconds, context }))
  },
})
