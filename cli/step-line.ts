import type { Terminal } from './terminal.ts'

/** What is being done, in one line that the next one replaces; `done` leaves a line that stays. */
export type StepLine = {
  step(text: string): void
  done(name: string, text: string): void
  /** Takes the passing line away, before something else is written. */
  clear(): void
}

/** Without a terminal only the lines that stay are written. */
export function stepLine(terminal: Terminal): StepLine {
  const { colors, isTty } = terminal
  const clear = (): void => {
    if (isTty) terminal.out('\r\u001b[2K')
  }
  return {
    step: (text) => {
      clear()
      if (isTty) terminal.out(colors.dim(`  ${text}…`))
    },
    done: (name, text) => {
      clear()
      terminal.line(`  ${colors.green('✓')} ${name.padEnd(10)} ${text}`)
    },
    clear,
  }
}

/** For programs and for the quiet: nothing is shown. */
export const noSteps: StepLine = { step: () => {}, done: () => {}, clear: () => {} }
