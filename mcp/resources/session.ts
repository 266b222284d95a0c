import { completeSession } from '../complete.ts'
import type { Resource } from '../resource.ts'
import { readSession } from '../session-turns.ts'

const TURNS = 100

export const sessionTranscript: Resource = {
  name: 'session',
  title: 'Session',
  description: `A conversation with an agent: its last ${TURNS} turns, oldest first.`,
  mimeType: 'text/markdown',
  uriTemplate: 'session://{id}',
  complete: completeSession,
  read: async (core, actor, id) => {
    const { session, runs, earlier } = await readSession(core, actor, id, TURNS)
    const head = `# Session ${session.id}\n\n${session.agent} on ${session.runtime}, ${session.status}, ${session.runs} runs.`
    const turns = runs.map((run) =>
      [
        `## Run ${run.id} (${run.status})`,
        `**${run.created_by}**\n\n${run.prompt}`,
        `**${run.agent}**\n\n${run.output ?? run.error?.message ?? '(nothing yet)'}`,
      ].join('\n\n'),
    )
    return `${[head, ...(earlier ? ['[earlier turns are left out; run_list with session_id has them]'] : []), ...turns].join('\n\n')}\n`
  },
}
