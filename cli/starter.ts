import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HubCore, Run } from '../core/index.ts'
import type { Context } from './command.ts'
import { readHubFile } from './data-folder.ts'
import { eventPrinter } from './event-printer.ts'
import { CliError } from './exit-code.ts'
import { followRun } from './follow-run.ts'
import { hubClient } from './hub-client.ts'
import { packageFolder } from './package-folder.ts'
import { announce } from './run.ts'

/** The folder with the first configuration and the file that the first run reads. */
export const starterFolder = (): string => join(packageFolder(), 'cli', 'starter')
const WELCOME_FILE = 'notes.md'
const WELCOME_PROMPT = `What is in ${WELCOME_FILE}?`

/** Two agents for an empty hub. */
export async function applyStarter(core: HubCore): Promise<void> {
  await core.config.apply(await core.admin(), readFileSync(join(starterFolder(), 'signalbox.yaml'), 'utf8'))
}

/**
 * Runs `welcome` once, live, by the same road as everybody: REST. A run that fails is shown as what it is, and the hub goes on.
 * Ends early when the hub is to stop.
 */
export async function welcome({ env, terminal }: Context, dataDir: string, stop: AbortSignal): Promise<void> {
  const { colors } = terminal
  const hub = hubClient(() => {
    const file = readHubFile(dataDir)
    if (!file) throw new CliError('hub_not_running', 'The hub is stopping.', { hint: '', exitCode: 3 })
    return { url: file.url, token: file.token, dataDir }
  })
  terminal.line(
    `\n  ${colors.bold('The first run')} ${colors.dim(`${terminal.command} run welcome "${WELCOME_PROMPT}" --file ${WELCOME_FILE}`)}\n`,
  )
  try {
    const file = await hub.upload(join(starterFolder(), WELCOME_FILE))
    const started = await hub.post<Run>(
      '/api/v1/runs',
      { agent: 'welcome', prompt: WELCOME_PROMPT, files: [file.id] },
      { once: true },
    )
    announce({ env, terminal, hub }, started)
    const { run } = await followRun(hub, started, { terminal, json: false, onSignal: 'ignore', signal: stop })
    if (run.finished_at !== null) eventPrinter(terminal).summary(run, `${hub.url}/runs/${run.id}`)
  } catch (error) {
    if (stop.aborted || !(error instanceof CliError)) {
      if (stop.aborted) return
      throw error
    }
    terminal.note(`  ${terminal.errColors.red('✗')} ${error.message}\n  ${terminal.errColors.dim(error.hint)}`)
  }
}
