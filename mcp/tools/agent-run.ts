import * as z from 'zod'
import { MessageMode } from '../../core/index.ts'
import { answerRun, RunAnswer } from '../run-answer.ts'
import { followRun } from '../run-progress.ts'
import { DEFAULT_WAIT_SECONDS, requestKey, WaitSeconds } from '../run-request.ts'
import { tool } from '../tool.ts'

export const agentRun = tool({
  name: 'agent_run',
  title: 'Run an agent',
  description:
    'Gives an agent work. Returns when the run is over, when it needs a person, or after wait_seconds, whichever is first; the run goes on by itself, and `next` says which call to make then.',
  input: z.strictObject({
    agent: z.string().min(1).describe('Name or id, from agents_list.'),
    prompt: z.string().min(1).max(200_000),
    session_id: z.string().optional().describe('Goes on in this session; left out: a new one.'),
    mode: MessageMode.default('queue').describe(
      'When the session is at work. queue: a run after the others; steer: into the run at work; interrupt: stop it and start anew.',
    ),
    files: z.array(z.string()).max(20).optional().describe('Ids of files uploaded before.'),
    wait_seconds: WaitSeconds.default(DEFAULT_WAIT_SECONDS),
    idempotency_key: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .describe('The same key again returns the first run instead of starting another.'),
    cancel_on_disconnect: z.boolean().default(false).describe('True: cancelling this call also stops the run.'),
  }),
  output: RunAnswer,
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  runs: 'starts',
  handler: async (core, actor, input, context) => {
    const { wait_seconds, idempotency_key, cancel_on_disconnect, ...request } = input
    const run = await core.runs.start(actor, request, requestKey(actor, idempotency_key))
    if (context.asTask || wait_seconds === 0 || run.pending.length > 0) return answerRun(run)
    try {
      return answerRun(await followRun(core, actor, run, { seconds: wait_seconds, context }))
    } finally {
      if (context.signal.aborted && cancel_on_disconnect) {
        await core.runs.stop(actor, run.id, { reason: 'The caller cancelled the call that started it.' })
      }
    }
  },
})
