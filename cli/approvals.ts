import type { Approval } from '../core/index.ts'
import type { Subcommand } from './command.ts'
import { ago } from './figures.ts'
import { type ListFlags, showList, withListFlags } from './list.ts'

/** `signalbox approvals`: what waits for a decision, newest first. */
export const approvals: Subcommand = (command, context) => {
  const { terminal } = context
  withListFlags(command)
    .option('--status <status>', 'pending, decided, expired or cancelled', 'pending')
    .option('-r, --run <id>', 'of this run')
    .action((options: ListFlags & { status: string; run?: string }) =>
      showList<Approval>(
        context,
        {
          path: '/api/v1/approvals',
          query: { status: options.status, run_id: options.run },
          empty: options.status === 'pending' ? 'Nothing waits for a decision.' : 'None.',
          columns: [
            { title: 'APPROVAL', value: (approval) => approval.id },
            { title: 'AGENT', value: (approval) => approval.agent },
            { title: 'RUN', value: (approval) => approval.run_id },
            {
              title: 'STATUS',
              value: (approval) =>
                approval.option_id === null ? approval.status : `${approval.status}: ${approval.option_id}`,
            },
            {
              title: 'EXPIRES',
              value: (approval) => (terminal.isTty ? ago(approval.expires_at) : approval.expires_at),
            },
            { title: 'TOOL', value: (approval) => approval.tool ?? '-' },
            { title: 'QUESTION', value: (approval) => approval.message, flexible: true },
          ],
        },
        options,
      ),
    )
}
