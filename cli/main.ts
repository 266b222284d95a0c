#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import type { Subcommand } from './command.ts'
import { messageOf } from './data-folder.ts'
import { CliError, exitCode, toErrorJson } from './exit-code.ts'
import { findHub } from './hub-address.ts'
import { hubClient } from './hub-client.ts'
import { environment } from './settings.ts'
import { openTerminal } from './terminal.ts'
import { version } from './version.ts'

/** In the order of `signalbox help`. A command's own file is loaded only when that command is called. */
const subcommands: Record<string, { summary: string; load: () => Promise<Subcommand> }> = {
  up: { summary: 'start the hub here', load: async () => (await import('./up.ts')).up },
  run: { summary: 'give an agent work and watch it', load: async () => (await import('./run.ts')).run },
  watch: {
    summary: 'watch a run, from its beginning or from an event on',
    load: async () => (await import('./watch.ts')).watch,
  },
  send: { summary: 'say something in a session', load: async () => (await import('./send.ts')).send },
  stop: { summary: 'stop a run', load: async () => (await import('./stop.ts')).stop },
  runs: { summary: 'list runs', load: async () => (await import('./runs.ts')).runs },
  sessions: { summary: 'list sessions', load: async () => (await import('./sessions.ts')).sessions },
  agents: { summary: 'list agents', load: async () => (await import('./agents.ts')).agents },
  runtimes: { summary: 'list runtimes and their health', load: async () => (await import('./runtimes.ts')).runtimes },
  schedules: { summary: 'list schedules', load: async () => (await import('./schedules.ts')).schedules },
  approvals: {
    summary: 'list what waits for a decision',
    load: async () => (await import('./approvals.ts')).approvals,
  },
  approve: { summary: 'allow what a run asks for', load: async () => (await import('./approve.ts')).approve },
  deny: { summary: 'refuse what a run asks for', load: async () => (await import('./deny.ts')).deny },
  apply: { summary: 'make the hub match signalbox.yaml', load: async () => (await import('./apply.ts')).apply },
  validate: { summary: 'check signalbox.yaml', load: async () => (await import('./validate.ts')).validate },
  doctor: {
    summary: 'find what is wrong here, with the remedy',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  token: { summary: 'make a new admin token', load: async () => (await import('./token.ts')).token },
  mcp: {
    summary: 'MCP server on stdio that talks to the running hub',
    load: async () => (await import('./mcp.ts')).mcp,
  },
}

const examples = `
Examples:
  signalbox up                                    start the hub here
  signalbox run welcome "What is in notes.md?" --file notes.md
  signalbox run reviewer "Review this diff" --file change.diff --detach
  signalbox watch run_01k…                        watch it from anywhere
  signalbox send ses_01k… "Also check the tests" --mode steer
  signalbox approve apr_01k…                      allow what it asks for
  signalbox apply -f signalbox.yaml --dry-run     show what would change

Exit codes: 0 done, 1 failed, 2 invalid input, 3 hub not reachable, 4 not permitted, 5 not found,
            6 in conflict with what is there, 130 interrupted. All: docs/cli.md`

async function main(args: string[]): Promise<void> {
  const env = environment()
  const terminal = openTerminal(env)
  // `signalbox runs | head` closes the pipe early: nothing is wrong, and nobody is left to read.
  process.stdout.on('error', (error) =>
    process.exit('code' in error && error.code === 'EPIPE' ? exitCode.ok : exitCode.failed),
  )

  const program = new Command('signalbox')
    .description('One control room for every agent runtime.')
    .version(version(), '-v, --version', 'print the version')
    .helpCommand('help [command]', 'help for a command')
    .addHelpText('after', examples)
    .showSuggestionAfterError(true)
    .exitOverride()
    // Refusals of the command line are told below, in one form with all others.
    .configureOutput({ writeErr: () => {}, writeOut: (text) => terminal.out(text) })
  const asked = args[0] === 'help' ? args[1] : args.find((arg) => !arg.startsWith('-'))
  const context = { env, terminal, hub: hubClient(() => findHub(env)) }
  for (const [name, { summary, load }] of Object.entries(subcommands)) {
    const command = program.command(name).description(summary).summary(summary).exitOverride()
    if (name !== asked) continue
    const subcommand = await load()
    if (name !== 'mcp') command.option('--json', 'print JSON, for programs')
    subcommand(command, context)
  }
  const versionCommand = program
    .command('version')
    .description('print the version')
    .action(({ json }: { json?: true }) => (json ? terminal.json({ version: version() }) : terminal.line(version())))
  // Only when asked, as with the others: help lists commands without their options.
  if (asked === 'version') versionCommand.option('--json', 'print JSON, for programs')
  try {
    if (args.length === 0) program.outputHelp()
    else await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    tell(error, args.includes('--json'))
  }

  function tell(thrown: unknown, json: boolean): void {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return
    const error = toCliError(thrown)
    process.exitCode = error.exitCode
    if (json) {
      terminal.json(toErrorJson(error))
      return
    }
    const { errColors: colors } = terminal
    terminal.note(`${colors.red('✗')} ${error.message}`)
    if (error.hint) terminal.note(`  ${colors.dim(error.hint)}`)
    if (error.requestId) terminal.note(`  ${colors.dim(`request ${error.requestId}`)}`)
  }
}

function toCliError(thrown: unknown): CliError {
  if (thrown instanceof CliError) return thrown
  if (thrown instanceof CommanderError) {
    const message = thrown.message.replace(/^error: /, '')
    const ended = /[.?)]$/.test(message) ? message : `${message}.`
    return new CliError('usage', `${ended.charAt(0).toUpperCase()}${ended.slice(1)}`, {
      hint: '`signalbox help` lists the commands, `signalbox help <command>` the arguments of one.',
      exitCode: exitCode.invalid,
    })
  }
  // What core refuses while a hub starts has a code and a hint of its own.
  if (
    thrown instanceof Error &&
    'code' in thrown &&
    'hint' in thrown &&
    typeof thrown.code === 'string' &&
    typeof thrown.hint === 'string'
  ) {
    return new CliError(thrown.code, thrown.message, { hint: thrown.hint, exitCode: exitCode.failed, cause: thrown })
  }
  return new CliError('internal', `Something unexpected went wrong: ${messageOf(thrown)}`, {
    hint: 'Run `signalbox doctor`; if it finds nothing, report it with this message.',
    exitCode: exitCode.failed,
    cause: thrown,
  })
}

await main(process.argv.slice(2))
