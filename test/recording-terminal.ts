import picocolors from 'picocolors'
import type { Terminal } from '../cli/terminal.ts'

export type RecordingTerminal = {
  terminal: Terminal
  out(): string
  err(): string
  /** What a person sees: both, in the order of writing. */
  both(): string
}

/** Keeps what is written to it; without colours. */
export function recordingTerminal(options: { isTty?: boolean; width?: number } = {}): RecordingTerminal {
  const written: { to: 'out' | 'err'; text: string }[] = []
  const write = (to: 'out' | 'err', text: string): void => void written.push({ to, text })
  const only = (to: 'out' | 'err'): string =>
    written
      .filter((part) => part.to === to)
      .map(({ text }) => text)
      .join('')
  const colors = picocolors.createColors(false)
  return {
    terminal: {
      out: (text) => write('out', text),
      err: (text) => write('err', text),
      line: (text = '') => write('out', `${text}\n`),
      note: (text = '') => write('err', `${text}\n`),
      json: (value) => write('out', `${JSON.stringify(value)}\n`),
      colors,
      errColors: colors,
      isTty: options.isTty ?? false,
      isInteractive: options.isTty ?? false,
      width: options.width ?? 80,
      command: 'signalbox',
    },
    out: () => only('out'),
    err: () => only('err'),
    both: () => written.map(({ text }) => text).join(''),
  }
}
