import type { Run } from '../core/index.ts'
import type { JsonOption, Subcommand } from './command.ts'
import { followRun } from './follow-run.ts'
import { endFollowed } from './followed.ts'
import { announce, collect, promptOf } from './run.ts'

type Options = JsonOption & { mode: string; file?: string[]; detach?: true; idempotencyKey?: string }

/** `signalbox send SESSION "text"`: queue, steer or interrupt; shows the run that it went to. */
export const send: Subcommand = (command, context) => {
  command
    .argument('<session>', 'id of the session')
    .argument('[text]', 'what to say; `-` reads it from standard input')
    .option(
      '-m, --mode <mode>',
      'queue: a new run after the others; steer: into the run at work; interrupt: instead of it',
      'queue',
    )
    .option('-f, --file <path>', 'attach a file; may be given many times', collect)
    .option('-d, --detach', 'send it and return at once')
    .option('--idempotency-key <key>', 'the same key again is the same message')
    .addHelpText('after', '\nExit code: 0 succeeded, 1 failed or cancelled, 130 stopped or left with Ctrl-C.')
    .action(async (session: string, text: string | undefined, options: Options) => {
      const { hub, terminal } = context
      const prompt = await promptOf(text, context)
      const files: string[] = []
      for (const path of options.file ?? []) files.push((await hub.upload(path)).id)
      const run = await hub.post<Run>(
        `/api/v1/sessions/${encodeURIComponent(session)}/messages`,
        { prompt, mode: options.mode, ...(files.length === 0 ? {} : { files }) },
        { once: true, ...(options.idempotencyKey === undefined ? {} : { key: options.idempotencyKey }) },
      )
      const json = options.json === true
      if (options.detach) return json ? terminal.json(run) : terminal.line(run.id)
      if (!json) announce(context, run)
      // A message into a run at work: what it wrote before was seen by whoever started it.
      const after = options.mode === 'steer' ? run.last_seq : 0
      endFollowed(context, await followRun(hub, run, { terminal, json, after, onSignal: 'stop' }), { json })
    })
}
