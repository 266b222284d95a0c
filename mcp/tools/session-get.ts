import * as z from 'zod'
import { Run, Session } from '../../core/index.ts'
import { MAX_TEXT_CHARACTERS, shorten } from '../run-answer.ts'
import { readSession } from '../session-turns.ts'
import { tool } from '../tool.ts'

const Turn = Run.pick({
  id: true,
  status: true,
  prompt: true,
  output: true,
  error: true,
  created_at: true,
  finished_at: true,
})

export const sessionGet = tool({
  name: 'session_get',
  title: 'Read a session',
  description: 'A session and its last turns, oldest first: what was asked and what came back.',
  input: z.strictObject({
    session_id: z.string().min(1),
    tail: z.number().int().min(1).max(100).default(20).describe('How many turns.'),
  }),
  output: z.object({
    session: Session,
    turns: z.array(Turn).describe(`Prompts and outputs longer than ${MAX_TEXT_CHARACTERS / 10} characters end in "…".`),
    earlier: z.boolean().describe('True: there are turns before these.'),
  }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  handler: async (core, actor, { session_id, tail }) => {
    const { session, runs, earlier } = await readSession(core, actor, session_id, tail)
    const cut = (text: string) => shorten(text, MAX_TEXT_CHARACTERS / 10)
    const turns = runs.map(({ id, status, prompt, output, error, created_at, finished_at }) => ({
      id,
      status,
      prompt: cut(prompt),
      output: output === null ? null : cut(output),
      error,
      created_at,
      finished_at,
    }))
    const lines = turns.map(
      (turn) => `${turn.id} (${turn.status})\n> ${turn.prompt}\n${turn.output ?? turn.error?.message ?? ''}`,
    )
    return {
      structured: { session, turns, earlier },
      text: [`Session ${session.id} of ${session.agent}: ${session.status}, ${session.runs} runs.`, ...lines].join(
        '\n\n',
      ),
      links: [
        {
          uri: `session://${session.id}`,
          name: `session ${session.id}`,
          description: 'The conversation in full.',
          mimeType: 'text/markdown',
        },
      ],
    }
  },
})
