import type { RuntimeInfo } from '../core/index.ts'
import type { Subcommand } from './command.ts'
import { count } from './figures.ts'
import { type ListFlags, showList, withListFlags } from './list.ts'

/** `signalbox runtimes`: by name, with what their last health check found. */
export const runtimes: Subcommand = (command, context) => {
  const { colors } = context.terminal
  const paint = { ok: colors.green, degraded: colors.yellow, down: colors.red, unknown: colors.dim }
  withListFlags(command).action((options: ListFlags) =>
    showList<RuntimeInfo>(
      context,
      {
        path: '/api/v1/runtimes',
        empty: 'No runtimes.',
        columns: [
          { title: 'RUNTIME', value: (runtime) => runtime.name },
          { title: 'KIND', value: (runtime) => runtime.kind },
          {
            title: 'HEALTH',
            value: ({ health }) => health.status,
            paint: (text, { health }) => paint[health.status](text),
          },
          { title: 'VERSION', value: ({ health }) => health.version ?? '-' },
          { title: 'AT WORK', value: (runtime) => count(runtime.active_runs), align: 'right' },
          { title: 'NOTE', value: ({ health, description }) => health.message ?? description ?? '', flexible: true },
        ],
      },
      options,
    ),
  )
}
