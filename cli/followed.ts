import type { Context } from './command.ts'
import { eventPrinter } from './event-printer.ts'
import { exitCode } from './exit-code.ts'
import type { Followed } from './follow-run.ts'

/** The last words after a run was shown, and the exit code from its outcome. */
export function endFollowed({ hub, terminal }: Context, { run, how }: Followed, { json }: { json: boolean }): void {
  process.exitCode = how !== 'ended' ? exitCode.interrupted : run.status === 'succeeded' ? exitCode.ok : exitCode.failed
  if (json) {
    terminal.out(`${JSON.stringify({ run })}\n`)
    return
  }
  if (run.finished_at !== null) {
    eventPrinter(terminal).summary(run, `${hub.url}/runs/${run.id}`)
    return
  }
  const { errColors: colors } = terminal
  terminal.note(`${colors.yellow('…')} Detached: the run goes on.`)
  terminal.note(colors.dim(`  ${terminal.command} watch ${run.id}`))
  terminal.note(colors.dim(`  ${terminal.command} stop ${run.id}`))
}
