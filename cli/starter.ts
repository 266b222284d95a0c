import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { HubCore, Run } from '../core/index.ts'
import type { Context } from './command.ts'
import { eventPrinter } from './event-printer.ts'
import { CliError } from './exit-code.ts'
import { followRun } from './follow-run.ts'
import { hubClient } from './hub-client.ts'
import { announce } from './run.ts'
import { starterPath } from './starter-path.ts'

/** Two agents for an empty hub; false when it is not empty. Of replicas that start at once on one database, one does it. */
export async function applyStarter(core: HubCore): Promise<boolean> {
  if (!(await core.isEmpty())) return false
  try {
    await core.config.apply(await core.admin(), readFileSync(starterPath(), 'utf8'))
    return true
  } catch (error) {
    if (await core.isEmpty()) throw error
    return false
  }
}

/**
 * Runs `welcome` once, live, by the same road as everybody: REST. A run that fails is shown as what it is, and the hub
 * goes on. Ends early when the hub is to stop.
 */
export async function welcome(context: Context, at: { url: string; token: string }, stop: AbortSignal): Promise<void> {
  const { terminal } = context
  const { colors } = terminal
  const hub = hubClient(() => ({ ...at, dataDir: null }))
  const prompt = readFileSync(starterPath('welcome.txt'), 'utf8').trim()
  terminal.line(
    `\n  ${colors.bold('The first run')} ${colors.dim(`· ${terminal.command} run welcome "…" --file ${basename(starterPath())}`)}`,
  )
  terminal.line(`  ${colors.dim(prompt)}\n`)
  try {
    const file = await hub.upload(starterPath())
    const work = { agent: 'welcome', prompt, files: [file.id] }
    const started = await hub.post<Run>('/api/v1/runs', work, { once: true })
    announce({ ...context, hub }, started)
    const { run } = await followRun(hub, started, { terminal, json: false, onSignal: 'ignore', signal: stop })
    if (run.finished_at !== null) eventPrinter(terminal).summary(run, `${at.url}/runs/${run.id}`)
  } catch (error) {
    if (stop.aborted) return
    if (!(error instanceof CliError)) throw error
    terminal.note(`  ${terminal.errColors.red('✗')} ${error.message}\n  ${terminal.errColors.dim(error.hint)}`)
  }
}
