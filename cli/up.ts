import { once } from 'node:events'
import { faultTrace } from '../core/index.ts'
import type { Context, JsonOption, Subcommand } from './command.ts'
import { isErrno, logFilePath, messageOf, openDataFolder, removeHubFile, writeHubFile } from './data-folder.ts'
import { lockDataFolder } from './data-folder-lock.ts'
import { CliError, exitCode } from './exit-code.ts'
import { showClients, showGreeting, showNext, showSettings } from './first-page.ts'
import { type HubLog, hubLog } from './hub-log.ts'
import { type HubSettings, readHubSettings } from './hub-settings.ts'
import { makeTokens } from './hub-tokens.ts'
import { onInterrupt } from './interrupt.ts'
import { type Hub, openHub } from './open-hub.ts'
import { applyStarter, welcome } from './starter.ts'
import { noSteps, type StepLine, stepLine } from './step-line.ts'

type Options = JsonOption & { welcome: boolean; quiet?: true }

/** `signalbox up`: the hub itself, in this process, until Ctrl-C or SIGTERM. */
export const up: Subcommand = (command, context) => {
  command
    .option('--no-welcome', 'on an empty database, neither the starter agents nor their first run')
    .option('-q, --quiet', 'print nothing but errors')
    .addHelpText(
      'after',
      `
Settings come from the environment: PORT, HOST, DATABASE_URL, SIGNALBOX_DATA_DIR, SIGNALBOX_PUBLIC_URL, SIGNALBOX_MODEL,
ANTHROPIC_API_KEY, OPENAI_API_KEY, OPENAI_BASE_URL and more: docs/cli.md. With --json the log is printed as JSON lines.

Ctrl-C or SIGTERM ends it cleanly, its children included; a second Ctrl-C at once (exit code 130).`,
    )
    .action(async (options: Options) => {
      const settings = readHubSettings(context.env)
      const dataDir = openDataFolder(settings.dataDir)
      const unlock = await lockDataFolder(dataDir, {
        watching: (holder) =>
          context.terminal.note(
            `  A hub on ${holder} used this data folder and did not end cleanly; looking for up to 20 s whether it lives.`,
          ),
      })
      try {
        await serveUntilStopped(context, { ...settings, dataDir }, options)
      } finally {
        unlock()
      }
      // Nothing is left to do; whatever still holds the process is not worth waiting for.
      process.exit()
    })
}

async function serveUntilStopped(context: Context, settings: HubSettings, options: Options): Promise<void> {
  const { terminal } = context
  const { dataDir } = settings
  const forPeople = !options.json && !options.quiet
  const log = hubLog(dataDir, terminal, options.json ? 'json' : options.quiet ? 'nothing' : 'people')
  const lines = forPeople ? stepLine(terminal) : noSteps
  const stop = stopSignal(context, { dataDir, log, forPeople, lines })
  endOnFault({ dataDir, log, terminal })
  ignoreLostTerminal()
  const began = performance.now()
  let hub: Hub | null = null
  try {
    if (forPeople) showGreeting(terminal)
    hub = await openHub(settings, log, (what) => lines.step(what))
    const { local, admin } = await makeTokens(hub.core, dataDir)
    const starts = options.welcome && (await applyStarter(hub.core))
    writeHubFile(dataDir, { url: hub.url, pid: process.pid, token: local, started_at: new Date().toISOString() })
    if (!stop.aborted) await hub.serve()
    log.info('the hub serves', {
      url: hub.url,
      version: hub.core.version,
      start_ms: Math.round(performance.now() - began),
    })
    if (forPeople && !stop.aborted) {
      showSettings(terminal, lines, { hub, settings, startMs: performance.now() - began })
      if (admin !== null) showClients(terminal, { url: hub.url, token: admin, dataDir })
      if (starts) await welcome(context, { url: hub.url, token: local }, stop)
      if (!stop.aborted) showNext(terminal, hub.url)
    }
    if (!stop.aborted) await once(stop, 'abort')
  } catch (error) {
    lines.clear()
    log.error('the hub did not start', {
      error: faultTrace(error),
    })
    throw startFailure(error, dataDir)
  } finally {
    removeHubFile(dataDir)
    await hub?.close((what) => {
      log.info('closing', { waiting_for: what })
      if (forPeople) terminal.line(terminal.colors.dim(`    waiting for ${what}`))
    })
    log.info('stopped')
    log.close()
  }
  lines.clear()
  if (forPeople) terminal.line(`  ${terminal.colors.green('✓')} Stopped.`)
}

type Ending = { dataDir: string; log: HubLog; terminal: Context['terminal'] }

/** Aborts at the first Ctrl-C, SIGTERM or SIGHUP; the second one ends the process at once. */
function stopSignal(
  { terminal }: Context,
  { dataDir, log, forPeople, lines }: { dataDir: string; log: HubLog; forPeople: boolean; lines: StepLine },
): AbortSignal {
  const stop = new AbortController()
  onInterrupt(
    (times, signal) => {
      if (times > 1) {
        removeHubFile(dataDir)
        process.exit(exitCode.interrupted)
      }
      log.info('stopping', { signal })
      lines.clear()
      if (forPeople)
        terminal.line(
          `\n  ${terminal.colors.yellow('■')} Stopping. ${terminal.colors.dim('Ctrl-C again ends it at once.')}`,
        )
      stop.abort()
    },
    // SIGHUP: the terminal was closed.
    { signals: ['SIGINT', 'SIGTERM', 'SIGHUP'] },
  )
  return stop.signal
}

/** A hub whose output nobody reads any more goes on: the log has what matters. */
function ignoreLostTerminal(): void {
  for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners('error').on('error', () => {})
}

/** A fault that nobody caught: the log has it whole, the person the place. What was accepted is in the database. */
function endOnFault({ dataDir, log, terminal }: Ending): void {
  const end = (error: unknown): void => {
    removeHubFile(dataDir)
    log.error('the hub met a fault and ended', {
      error: faultTrace(error),
    })
    terminal.note(
      `  ${terminal.errColors.red('✗')} The hub met a fault and ended. Start it again; the cause is in ${logFilePath(dataDir)}.`,
    )
    process.exit(exitCode.failed)
  }
  process.on('uncaughtException', end)
  process.on('unhandledRejection', end)
}

/** A refusal as it is; anything else without its inner text, which may hold what it choked on. */
function startFailure(error: unknown, dataDir: string): unknown {
  if (error instanceof CliError || (error instanceof Error && 'hint' in error)) return error
  const where = `The log has more: ${logFilePath(dataDir)}.`
  if (isErrno(error, 'ECONNREFUSED') || isErrno(error, 'ENOTFOUND')) {
    return new CliError('database_unreachable', `The database at DATABASE_URL does not answer (${messageOf(error)}).`, {
      hint: `Check the address and that Postgres runs. ${where}`,
      exitCode: exitCode.failed,
    })
  }
  return new CliError('start_failed', `The hub could not start: ${messageOf(error)}`, {
    hint: where,
    exitCode: exitCode.failed,
  })
}
