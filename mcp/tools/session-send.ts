import * as z from 'zod'
import { MessageMode } from '../../core/index.ts'
import { answerRun, RunAnswer } from '../run-answer.ts'
import { followRun } from '../run-progress.ts'
import { DEFAULT_WAIT_SECONDS, requestKey, WaitSeconds } from '../run-request.ts'
import { tool } from '../tool.ts'

export const sessionSend = tool({
  name: 'session_send',
  title: 'Go on in a session',
  description:
    'Says something in a session. queue: a new run after the others; steer: into the run at work; interrupt: stops that run and starts a new one. While the session waits for a question, the message is its answer.',
  input: z.strictObject({
    session_id: z.string().min(1),
    message: z.string().min(1).max(200_000),
    mode: MessageMode.default('queue'),
    files: z.array(z.string()).max(20).optional().describe('Ids of files uploaded before.'),
    wait_seconds: WaitSeconds.default(DEFAULT_WAIT_SECONDS),
    idempotency_key: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .describe('The same key again returns the first run instead of sending again.'),
  }),
  output: RunAnswer,
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  runs: 'starts',
  handler: async (core, actor, input, context) => {
    const { session_id, message, mode, files, wait_seconds, idempotency_key } = input
    const request = { prompt: message, mode, ...(files ? { files } : {}) }
    const run = await core.sessions.send(actor, session_id, request, requestKey(actor, idempotency_key))
    if (context.asTask || wait_seconds === 0 || run.pending.length > 0) return answerRun(run)
    return answerRun(await followRun(core, actor, run, { seconds: wait_seconds, context }))
  },
})
