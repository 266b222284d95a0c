import type { Run } from '../core/index.ts'
import type { JsonOption, Subcommand } from './command.ts'
import { statusMark } from './event-printer.ts'

/** `signalbox stop RUN`: asks it to stop and waits until it has. */
export const stop: Subcommand = (command, { hub, terminal }) => {
  command
    .argument('<run>', 'id of the run')
    .option('--reason <text>', 'kept with the run')
    .option('--no-wait', 'return as soon as the hub knows')
    .action(async (id: string, options: JsonOption & { reason?: string; wait: boolean }) => {
      const path = `/api/v1/runs/${encodeURIComponent(id)}`
      let run = await hub.post<Run>(`${path}/stop`, options.reason === undefined ? {} : { reason: options.reason })
      if (options.wait && run.finished_at === null) {
        for await (const _ of hub.events(run.id, { after: run.last_seq })) {
          // Read to the end of the stream, which is the end of the run.
        }
        run = await hub.get<Run>(path)
      }
      if (options.json) return terminal.json(run)
      terminal.line(
        `${statusMark(run.status, terminal.colors)} ${run.id} ${run.finished_at === null ? 'is asked to stop' : run.status}`,
      )
    })
}
