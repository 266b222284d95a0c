import { pino } from 'pino'
import type { Log } from '../core/index.ts'
import { logFilePath } from './data-folder.ts'
import { rotatingFile } from './rotating-file.ts'
import { oneLine, type Terminal } from './terminal.ts'

export type HubLog = Log & {
  /** From now on every line goes through it; until then nothing that needs it is logged. */
  scrubWith(scrub: (text: string) => string): void
  close(): void
}

const MAX_BYTES = 10 * 1024 * 1024
const KEEP = 4

/**
 * The hub's log: JSON lines in the data folder (five files of 10 MiB), and for people warnings and errors in short.
 * `show` is what the terminal gets: those, the same JSON (`json`), or nothing. The scrubber sees the finished line.
 */
export function hubLog(dataDir: string, terminal: Terminal, show: 'people' | 'json' | 'nothing'): HubLog {
  const file = rotatingFile(logFilePath(dataDir), { maxBytes: MAX_BYTES, keep: KEEP })
  let scrub = (text: string): string => text
  const logger = pino(
    {
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      messageKey: 'message',
    },
    {
      write: (line: string) => {
        const clean = scrub(line)
        file.write(clean)
        if (show === 'json') terminal.out(clean)
      },
    },
  )
  const tell = (mark: string, message: string, fields: Record<string, unknown>): void => {
    if (show !== 'people') return
    const { errColors: colors } = terminal
    const more = Object.entries(fields)
      .filter(([name, value]) => name !== 'stack' && (typeof value === 'string' || typeof value === 'number'))
      .map(([name, value]) => `${name} ${String(value).split('\n')[0]}`)
    const time = new Date().toTimeString().slice(0, 8)
    const shown = oneLine(scrub(message), 300)
    terminal.note(`${colors.dim(time)} ${mark} ${shown} ${colors.dim(oneLine(scrub(more.join(' · ')), 300))}`.trimEnd())
  }
  return {
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => {
      logger.warn(fields, message)
      tell(terminal.errColors.yellow('!'), message, fields)
    },
    error: (message, fields = {}) => {
      logger.error(fields, message)
      tell(terminal.errColors.red('✗'), message, fields)
    },
    scrubWith: (next) => {
      scrub = next
    },
    close: () => file.close(),
  }
}
