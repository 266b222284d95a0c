import type { Context, JsonOption, Subcommand } from './command.ts'
import { checks, type Finding } from './doctor-checks.ts'
import { exitCode } from './exit-code.ts'

/** `signalbox doctor`: looks at everything a hub needs here and at the running one, and says the remedy for what is wrong. */
export const doctor: Subcommand = (command, context) => {
  command
    .addHelpText('after', '\nExit code: 0 nothing is wrong (notes may be shown), 1 a problem was found.')
    .action(async (options: JsonOption) => {
      const findings: Finding[] = []
      for (const check of checks) {
        for (const finding of await check(context)) {
          findings.push(finding)
          if (!options.json) show(context, finding)
        }
      }
      const problems = findings.filter(({ status }) => status === 'problem').length
      if (problems > 0) process.exitCode = exitCode.failed
      if (options.json) return context.terminal.json({ ok: problems === 0, findings })
      const { terminal } = context
      terminal.line(
        problems === 0
          ? terminal.colors.green('\nNothing is wrong.')
          : terminal.colors.red(`\n${problems === 1 ? 'One problem' : `${problems} problems`} found.`),
      )
    })
}

function show({ terminal }: Context, { name, status, message, remedy }: Finding): void {
  const { colors } = terminal
  const mark = { ok: colors.green('✓'), note: colors.yellow('!'), problem: colors.red('✗') }[status]
  terminal.line(`${mark} ${colors.bold(name.padEnd(14))} ${message}`)
  if (remedy !== null) terminal.line(`  ${' '.repeat(14)} ${colors.dim(`→ ${remedy}`)}`)
}
