import type { Plan } from '../core/index.ts'
import type { JsonOption, Subcommand } from './command.ts'
import { DEFAULT_CONFIG, problemsOf, readConfig, toPlanLines, toProblemLines } from './config-file.ts'
import { CliError, exitCode, usageError } from './exit-code.ts'

type Options = JsonOption & { file: string; dryRun?: true; yes?: true }

/** `signalbox apply`: shows the plan, asks, applies all of it or nothing. */
export const apply: Subcommand = (command, { hub, terminal }) => {
  command
    .option('-f, --file <path>', 'the file; `-` is standard input', DEFAULT_CONFIG)
    .option('--dry-run', 'show the plan and change nothing')
    .option('-y, --yes', 'apply without asking')
    .addHelpText(
      'after',
      '\nIt owns only what it created: what leaves the file is deleted, what was made in other ways stays.',
    )
    .action(async (options: Options) => {
      const { colors } = terminal
      const yaml = readConfig(options.file)
      const plan = await hub.post<Plan>('/api/v1/config/plan', { yaml }).catch((error: unknown) => {
        const problems = problemsOf(error)
        if (!problems || options.json) throw error
        for (const line of toProblemLines(options.file, problems, terminal.errColors)) terminal.note(line)
        throw new CliError(
          'invalid_config',
          `${options.file} has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}; nothing was applied.`,
          {
            hint: 'Correct what is listed above and apply it again.',
            exitCode: exitCode.invalid,
          },
        )
      })
      if (options.dryRun || !plan.pending) {
        if (options.json) return terminal.json({ ...plan, applied: false })
        for (const line of toPlanLines(plan, colors)) terminal.line(line)
        terminal.line(
          plan.pending
            ? colors.dim('Nothing was changed: this was a dry run.')
            : `${colors.green('✓')} The hub matches ${options.file}.`,
        )
        return
      }
      if (!options.json) for (const line of toPlanLines(plan, colors)) terminal.line(line)
      if (!options.yes) {
        if (!terminal.isInteractive || options.json) {
          throw usageError(
            'There is a plan to confirm, and nobody to ask.',
            'Look at it with --dry-run, then apply it with --yes.',
          )
        }
        const { confirm } = await import('@clack/prompts')
        if ((await confirm({ message: 'Apply it?' })) !== true) {
          process.exitCode = exitCode.interrupted
          return terminal.line('Nothing was changed.')
        }
      }
      const applied = await hub.post<Plan>('/api/v1/config/apply', { yaml }, { once: true })
      if (options.json) return terminal.json({ ...applied, applied: true })
      terminal.line(`${colors.green('✓')} Applied.`)
    })
}
