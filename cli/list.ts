import { type Command, InvalidArgumentError } from 'commander'
import type { Page } from '../core/index.ts'
import type { Context, JsonOption } from './command.ts'
import type { Query } from './hub-client.ts'
import { type Column, table } from './table.ts'

export type ListFlags = JsonOption & { limit: number; all?: true }

/** `--limit` and `--all`, the same on every list. */
export function withListFlags(command: Command): Command {
  return command
    .option('-n, --limit <n>', 'at most this many', toLimit, 20)
    .option('--all', 'every one, over all pages')
}

/** Reads the pages and shows them as a table, or as `{data, next_cursor}`. */
export async function showList<T>(
  { hub, terminal }: Context,
  list: { path: string; query?: Query; columns: Column<T>[]; empty: string },
  flags: ListFlags,
): Promise<void> {
  const limit = flags.all ? Number.POSITIVE_INFINITY : flags.limit
  const page: Page<T> = await hub.list<T>(list.path, { query: list.query ?? {}, limit })
  if (flags.json) return terminal.json(page)
  if (page.data.length === 0) return terminal.note(terminal.errColors.dim(list.empty))
  terminal.line(table(terminal, list.columns, page.data))
  if (page.next_cursor !== null) terminal.note(terminal.errColors.dim(`More: --limit ${limit * 5}, or --all.`))
}

function toLimit(value: string): number {
  if (!/^[1-9]\d{0,5}$/.test(value)) throw new InvalidArgumentError('It must be a number from 1 on.')
  return Number(value)
}
