import type { Problem } from '../core/index.ts'
import type { JsonOption, Subcommand } from './command.ts'
import { DEFAULT_CONFIG, readConfig, toProblemLines } from './config-file.ts'
import { CliError, exitCode } from './exit-code.ts'

type Options = JsonOption & { file: string }

/** `signalbox validate`: every problem at once, as `file:line:col`. Without a hub, all that the file alone can tell. */
export const validate: Subcommand = (command, { hub, terminal }) => {
  command
    .option('-f, --file <path>', 'the file; `-` is standard input', DEFAULT_CONFIG)
    .addHelpText('after', '\nExit code: 0 no problems, 2 problems.')
    .action(async (options: Options) => {
      const { colors } = terminal
      const yaml = readConfig(options.file)
      const { problems, checked } = await check(yaml)
      if (problems.length > 0) process.exitCode = exitCode.invalid
      if (options.json) return terminal.json({ problems, checked })
      for (const line of toProblemLines(options.file, problems, colors)) terminal.line(line)
      const alone =
        checked === 'file' ? ' No hub is running here, so what it would refer to on a hub was not checked.' : ''
      if (problems.length === 0) terminal.line(`${colors.green('✓')} ${options.file} has no problems.${alone}`)
      else
        terminal.note(
          `${terminal.errColors.red('✗')} ${problems.length === 1 ? 'One problem' : `${problems.length} problems`} in ${options.file}.${alone}`,
        )
    })

  /** `hub`: against what is registered there; `file`: its syntax, shape and own references. */
  async function check(yaml: string): Promise<{ problems: Problem[]; checked: 'hub' | 'file' }> {
    try {
      const { problems } = await hub.post<{ problems: Problem[] }>('/api/v1/config/validate', { yaml })
      return { problems, checked: 'hub' }
    } catch (error) {
      if (!(error instanceof CliError && error.exitCode === exitCode.unreachable)) throw error
    }
    const [{ parseConfig }, { runtimeKinds }] = await Promise.all([
      import('../core/index.ts'),
      import('../runtimes/index.ts'),
    ])
    return { problems: parseConfig(yaml, { kinds: runtimeKinds }).problems, checked: 'file' }
  }
}
