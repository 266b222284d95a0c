import { hostname, userInfo } from 'node:os'
import { InvalidArgumentError } from 'commander'
import type { Token } from '../core/index.ts'
import type { JsonOption, Subcommand } from './command.ts'

/** `signalbox token`: the token alone on standard output, so that `$(signalbox token)` is one. */
export const token: Subcommand = (command, { hub, terminal }) => {
  command
    .option('--name <name>', 'what it is for', `${userInfo().username}@${hostname()}`.slice(0, 100))
    .option('--expires <days>', 'days it is valid; without: until it is revoked', toDays)
    .action(async (options: JsonOption & { name: string; expires?: number }) => {
      const made = await hub.post<Token & { token: string }>('/api/v1/tokens', {
        name: options.name,
        ...(options.expires === undefined ? {} : { expires_in_days: options.expires }),
      })
      if (options.json) return terminal.json(made)
      terminal.line(made.token)
      const validity = made.expires_at === null ? 'until it is revoked' : `until ${made.expires_at.slice(0, 10)}`
      terminal.note(terminal.errColors.dim(`For ${made.user}, valid ${validity}. It is shown this once.`))
    })
}

function toDays(value: string): number {
  if (!/^[1-9]\d{0,3}$/.test(value) || Number(value) > 3650)
    throw new InvalidArgumentError('It must be a number of days from 1 to 3650.')
  return Number(value)
}
