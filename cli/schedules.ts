import type { Schedule } from '../core/index.ts'
import type { Subcommand } from './command.ts'
import { ago } from './figures.ts'
import { type ListFlags, showList, withListFlags } from './list.ts'

/** `signalbox schedules`: by name, with the next time of each. */
export const schedules: Subcommand = (command, context) => {
  const { terminal } = context
  withListFlags(command)
    .option('-a, --agent <name>', 'of this agent')
    .action((options: ListFlags & { agent?: string }) =>
      showList<Schedule>(
        context,
        {
          path: '/api/v1/schedules',
          query: { agent: options.agent },
          empty: 'No schedules. Declare them in signalbox.yaml.',
          columns: [
            { title: 'SCHEDULE', value: (schedule) => schedule.name },
            { title: 'AGENT', value: (schedule) => schedule.agent },
            { title: 'CRON', value: (schedule) => schedule.cron },
            { title: 'TIME ZONE', value: (schedule) => schedule.timezone },
            {
              title: 'NEXT',
              value: (schedule) => (schedule.enabled ? next(schedule.next_runs[0], terminal.isTty) : 'off'),
            },
            { title: 'LAST RUN', value: (schedule) => schedule.last_run_id ?? '-' },
            { title: 'PROMPT', value: (schedule) => schedule.prompt, flexible: true },
          ],
        },
        options,
      ),
    )
}

const next = (at: string | undefined, forPeople: boolean): string => (at === undefined ? '-' : forPeople ? ago(at) : at)
