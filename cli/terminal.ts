import picocolors from 'picocolors'
import { commandName, type Environment } from './settings.ts'

export type Colors = ReturnType<typeof picocolors.createColors>

/** What a command writes to. Answers go to `out`; progress, hints and errors to `err`, so that a pipe gets the answer alone. */
export type Terminal = {
  out(text: string): void
  err(text: string): void
  /** One line each: the text and a line feed. */
  line(text?: string): void
  note(text?: string): void
  json(value: unknown): void
  /** For `out`; without a terminal there, or with NO_COLOR, they change nothing. */
  colors: Colors
  /** The same for `err`. */
  errColors: Colors
  /** True when a person reads `out`. */
  isTty: boolean
  /** True when a person can be asked: input and output are a terminal. */
  isInteractive: boolean
  /** Columns of `out`; 80 where unknown. */
  width: number
  /** What the person types to call this program. */
  command: string
}

export function openTerminal(
  env: Environment,
  streams: { stdin: { isTTY?: boolean }; stdout: NodeJS.WriteStream; stderr: NodeJS.WriteStream } = process,
): Terminal {
  const { stdin, stdout, stderr } = streams
  const wantsColor = !env.NO_COLOR && env.TERM !== 'dumb'
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    line: (text = '') => void stdout.write(`${text}\n`),
    note: (text = '') => void stderr.write(`${text}\n`),
    json: (value) => void stdout.write(`${JSON.stringify(value, null, stdout.isTTY ? 2 : undefined)}\n`),
    colors: picocolors.createColors(wantsColor && Boolean(stdout.isTTY)),
    errColors: picocolors.createColors(wantsColor && Boolean(stderr.isTTY)),
    isTty: Boolean(stdout.isTTY),
    isInteractive: Boolean(stdin.isTTY && stdout.isTTY) && env.TERM !== 'dumb',
    width: stdout.columns || 80,
    command: commandName(env),
  }
}

/**
 * Text of agents, tools and people as it may be shown: without control characters other than line feed and tab, since
 * an escape sequence in a tool's output could otherwise rewrite what the terminal shows or types.
 */
export function printable(text: string): string {
  // Control characters, and those that turn the direction of writing.
  return text.replace(/[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/gu, '')
}

/** One line of at most `width` characters; what is cut ends in an ellipsis. */
export function oneLine(text: string, width: number): string {
  const flat = printable(text).replace(/\s+/g, ' ').trim()
  return flat.length <= width ? flat : `${flat.slice(0, Math.max(0, width - 1))}…`
}
