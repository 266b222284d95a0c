import { readFileSync } from 'node:fs'
import type { Plan, Problem } from '../core/index.ts'
import { isErrno, messageOf } from './data-folder.ts'
import { CliError, exitCode } from './exit-code.ts'
import { starterPath } from './starter-path.ts'
import { printable, type Terminal } from './terminal.ts'

export const DEFAULT_CONFIG = 'signalbox.yaml'

/** Text of the file; `-` is standard input. Throws file_unreadable. */
export function readConfig(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    const why = isErrno(error, 'ENOENT') ? 'there is no such file' : messageOf(error)
    throw new CliError('file_unreadable', `${file} cannot be read: ${why}.`, {
      hint: `Name the file with -f, or start from a copy of ${starterPath()}.`,
      exitCode: exitCode.invalid,
    })
  }
}

/** `file:line:col path: message`, which editors and terminals make a link of, and the hint below. */
export function toProblemLines(file: string, problems: Problem[], colors: Terminal['colors']): string[] {
  return problems.flatMap(({ line, column, path, message, hint }) => {
    const place = [file, line, column].filter((part) => part !== null).join(':')
    return [
      `${colors.bold(place)} ${path ? `${colors.cyan(printable(path))} ` : ''}${printable(message)}`,
      ...(hint ? [`  ${colors.dim(printable(hint))}`] : []),
    ]
  })
}

const marks = { create: '+', update: '~', delete: '-', keep: ' ' } as const

/** What would change, or has: one line each, and the sum. */
export function toPlanLines(plan: Plan, colors: Terminal['colors']): string[] {
  const paint = { create: colors.green, update: colors.yellow, delete: colors.red, keep: colors.dim }
  const changes = plan.changes.filter(({ action }) => action !== 'keep')
  const lines = changes.map(({ action, kind, name, fields }) =>
    paint[action](
      `  ${marks[action]} ${kind} ${printable(name)}${action === 'update' && fields.length > 0 ? `: ${fields.join(', ')}` : ''}`,
    ),
  )
  const count = (action: keyof typeof marks): number => plan.changes.filter((change) => change.action === action).length
  return [
    ...lines,
    colors.dim(
      `${count('create')} to create, ${count('update')} to update, ${count('delete')} to delete, ${count('keep')} as they are`,
    ),
  ]
}

/** The problems inside a refusal of the hub; null when it refused for another reason. */
export function problemsOf(error: unknown): Problem[] | null {
  if (!(error instanceof CliError) || error.code !== 'invalid_config' || !Array.isArray(error.details)) return null
  // The hub's own list, by its wire contract.
  return error.details as Problem[]
}
