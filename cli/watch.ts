import { InvalidArgumentError } from 'commander'
import type { Run } from '../core/index.ts'
import type { JsonOption, Subcommand } from './command.ts'
import { followRun } from './follow-run.ts'
import { endFollowed } from './followed.ts'
import { announce } from './run.ts'

/** `signalbox watch RUN`: the whole log of a run, then live until it is over. */
export const watch: Subcommand = (command, context) => {
  command
    .argument('<run>', 'id of the run')
    .option('--after <seq>', 'start after this event', toSeq, 0)
    .addHelpText(
      'after',
      '\nExit code: that of the run (0 succeeded, 1 failed or cancelled), 130 when left with Ctrl-C.',
    )
    .action(async (id: string, options: JsonOption & { after: number }) => {
      const { hub, terminal } = context
      const json = options.json === true
      const run = await hub.get<Run>(`/api/v1/runs/${encodeURIComponent(id)}`)
      if (!json) announce(context, run)
      endFollowed(context, await followRun(hub, run, { terminal, json, after: options.after, onSignal: 'detach' }), {
        json,
      })
    })
}

function toSeq(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError('It must be the seq of an event, 0 or more.')
  return Number(value)
}
