import type { Agent } from '../core/index.ts'
import type { Subcommand } from './command.ts'
import { count } from './figures.ts'
import { type ListFlags, showList, withListFlags } from './list.ts'

/** `signalbox agents`: by name. */
export const agents: Subcommand = (command, context) => {
  withListFlags(command)
    .option('-q, --query <text>', 'whose name or description has this text')
    .option('-r, --runtime <name>', 'bound to this runtime')
    .action((options: ListFlags & { query?: string; runtime?: string }) =>
      showList<Agent>(
        context,
        {
          path: '/api/v1/agents',
          query: { query: options.query, runtime: options.runtime },
          empty: `No agents. Declare them in signalbox.yaml: ${context.terminal.command} apply`,
          columns: [
            { title: 'AGENT', value: (agent) => agent.name },
            { title: 'VERSION', value: (agent) => String(agent.version), align: 'right' },
            {
              title: 'RUNTIME',
              value: ({ runtime }) => (typeof runtime === 'string' ? runtime : JSON.stringify(runtime)),
            },
            { title: 'MODEL', value: (agent) => agent.model ?? '(default)' },
            { title: 'AT WORK', value: (agent) => count(agent.active_runs), align: 'right' },
            { title: 'QUEUED', value: (agent) => count(agent.queued_runs), align: 'right' },
            { title: 'DESCRIPTION', value: (agent) => agent.description ?? '', flexible: true },
          ],
        },
        options,
      ),
    )
}
