import { text as readAll } from 'node:stream/consumers'
import type { Run } from '../core/index.ts'
import type { Context, JsonOption, Subcommand } from './command.ts'
import { usageError } from './exit-code.ts'
import { followRun } from './follow-run.ts'
import { endFollowed } from './followed.ts'

type Options = JsonOption & { session?: string; mode?: string; detach?: true; file?: string[]; idempotencyKey?: string }

/** `signalbox run AGENT "prompt"`: uploads files, starts the run once, shows it until it is over. */
export const run: Subcommand = (command, context) => {
  command
    .argument('<agent>', 'name or id of the agent')
    .argument('[prompt]', 'what it shall do; `-` reads it from standard input')
    .option('-s, --session <id>', 'go on in this session instead of opening one')
    .option('-m, --mode <mode>', 'when the session is at work: queue, steer or interrupt', 'queue')
    .option('-f, --file <path>', 'attach a file; may be given many times', collect)
    .option('-d, --detach', 'start it and return at once')
    .option('--idempotency-key <key>', 'the same key again is the same run')
    .addHelpText('after', '\nExit code: 0 succeeded, 1 failed or cancelled, 130 stopped or left with Ctrl-C.')
    .action(async (agent: string, prompt: string | undefined, options: Options) => {
      const { hub, terminal } = context
      const asked = await promptOf(prompt, context)
      const files: string[] = []
      for (const path of options.file ?? []) files.push((await hub.upload(path)).id)
      const started = await hub.post<Run>(
        '/api/v1/runs',
        {
          agent,
          prompt: asked,
          mode: options.mode,
          ...(options.session === undefined ? {} : { session_id: options.session }),
          ...(files.length === 0 ? {} : { files }),
        },
        { once: true, ...(options.idempotencyKey === undefined ? {} : { key: options.idempotencyKey }) },
      )
      if (options.detach) {
        if (options.json) return terminal.json(started)
        terminal.line(started.id)
        terminal.note(terminal.errColors.dim(`watch it: ${terminal.command} watch ${started.id}`))
        return
      }
      const json = options.json === true
      if (!json) announce(context, started)
      endFollowed(context, await followRun(hub, started, { terminal, json, onSignal: 'stop' }), { json })
    })
}

/** An option that may be given many times. */
export const collect = (value: string, earlier: string[] = []): string[] => [...earlier, value]

/** Which run this is: the first line, before anything happens. */
export function announce({ terminal }: Context, started: Run): void {
  const { errColors: colors } = terminal
  const more = `· ${started.runtime} · ${started.id}${started.status === 'queued' ? ' · queued' : ''}`
  terminal.note(`${colors.cyan('●')} ${colors.bold(started.agent)} ${colors.dim(more)}`)
  if (terminal.isTty) terminal.note()
}

/** The argument, standard input, or what the person types when asked. */
export async function promptOf(prompt: string | undefined, { terminal }: Context): Promise<string> {
  if (prompt === '-' || (prompt === undefined && !process.stdin.isTTY)) {
    const read = (await readAll(process.stdin)).trim()
    if (read === '')
      throw usageError('There is no prompt: standard input is empty.', 'Give it as an argument, or pipe it in.')
    return read
  }
  if (prompt?.trim()) return prompt
  if (!terminal.isInteractive) throw usageError('There is no prompt.', 'Give it as an argument, or pipe it in.')
  const { isCancel, text } = await import('@clack/prompts')
  const written = await text({
    message: 'What shall it do?',
    validate: (value) => (value?.trim() ? undefined : 'Write something.'),
  })
  if (isCancel(written)) throw usageError('There is no prompt.', 'Nothing was started.')
  return written
}
