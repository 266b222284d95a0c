import type { Run } from '../core/index.ts'
import type { Subcommand } from './command.ts'
import { paintStatus } from './event-printer.ts'
import { ago, count, dollars, duration } from './figures.ts'
import { type ListFlags, showList, withListFlags } from './list.ts'

/** `signalbox runs`: newest first. */
export const runs: Subcommand = (command, context) => {
  const { terminal } = context
  withListFlags(command)
    .option('-a, --agent <name>', 'of this agent')
    .option('-s, --session <id>', 'of this session')
    .option('--status <status>', 'queued, running, awaiting_input, succeeded, failed or cancelled')
    .action((options: ListFlags & { agent?: string; session?: string; status?: string }) =>
      showList<Run>(
        context,
        {
          path: '/api/v1/runs',
          query: { agent: options.agent, session_id: options.session, status: options.status },
          empty: `No runs. Start one: ${terminal.command} run AGENT "prompt"`,
          columns: [
            { title: 'RUN', value: (run) => run.id },
            { title: 'AGENT', value: (run) => run.agent },
            {
              title: 'STATUS',
              value: (run) => run.status,
              paint: (text, run) => paintStatus(run.status, text, terminal.colors),
            },
            { title: 'CREATED', value: (run) => (terminal.isTty ? ago(run.created_at) : run.created_at) },
            { title: 'TIME', value: timeOf, align: 'right' },
            { title: 'TOKENS', value: ({ usage }) => count(usage.input_tokens + usage.output_tokens), align: 'right' },
            {
              title: 'COST',
              value: ({ usage }) => (usage.cost_kind === 'none' ? '-' : dollars(usage.cost_micro_usd)),
              align: 'right',
            },
            { title: 'PROMPT', value: (run) => run.prompt, flexible: true },
          ],
        },
        options,
      ),
    )
}

function timeOf({ started_at, finished_at }: Run): string {
  if (started_at === null) return '-'
  return duration((finished_at === null ? Date.now() : Date.parse(finished_at)) - Date.parse(started_at))
}
