import type { Session } from '../core/index.ts'
import type { Subcommand } from './command.ts'
import { ago, count, dollars } from './figures.ts'
import { type ListFlags, showList, withListFlags } from './list.ts'

/** `signalbox sessions`: newest first. */
export const sessions: Subcommand = (command, context) => {
  const { terminal } = context
  withListFlags(command)
    .option('-a, --agent <name>', 'of this agent')
    .option('--status <status>', 'idle, queued, running or awaiting_input')
    .action((options: ListFlags & { agent?: string; status?: string }) =>
      showList<Session>(
        context,
        {
          path: '/api/v1/sessions',
          query: { agent: options.agent, status: options.status },
          empty: `No sessions. A run opens one: ${terminal.command} run AGENT "prompt"`,
          columns: [
            { title: 'SESSION', value: (session) => session.id },
            { title: 'AGENT', value: (session) => `${session.agent} v${session.agent_version}` },
            { title: 'RUNTIME', value: (session) => session.runtime },
            { title: 'STATUS', value: (session) => session.status },
            { title: 'RUNS', value: (session) => count(session.runs), align: 'right' },
            {
              title: 'COST',
              value: ({ usage }) => (usage.cost_kind === 'none' ? '-' : dollars(usage.cost_micro_usd)),
              align: 'right',
            },
            { title: 'UPDATED', value: (session) => (terminal.isTty ? ago(session.updated_at) : session.updated_at) },
            { title: 'TITLE', value: (session) => session.title ?? '', flexible: true },
          ],
        },
        options,
      ),
    )
}
