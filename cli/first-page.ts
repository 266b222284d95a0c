import { clientLines } from './client-lines.ts'
import { duration } from './figures.ts'
import type { HubSettings } from './hub-settings.ts'
import { DEFAULT_PORT } from './listen.ts'
import type { Hub } from './open-hub.ts'
import type { StepLine } from './step-line.ts'
import type { Terminal } from './terminal.ts'
import { version } from './version.ts'

/** What `up` shows a person, from top to bottom. */

export function showGreeting(terminal: Terminal): void {
  const { colors } = terminal
  terminal.line(`\n  ${colors.bold('Signalbox')} ${colors.dim(version())}\n`)
}

export function showSettings(
  terminal: Terminal,
  lines: StepLine,
  { hub, settings, startMs }: { hub: Hub; settings: HubSettings; startMs: number },
): void {
  const { colors } = terminal
  lines.done('data', settings.dataDir)
  lines.done(
    'database',
    settings.databaseUrl === null ? 'PGlite, in the data folder' : `Postgres at ${new URL(settings.databaseUrl).host}`,
  )
  if (hub.models.demo) {
    lines.done('model', `${colors.yellow('demo')}: offline, answers by fixed rules, no intelligence`)
    terminal.line(colors.dim('               for a real one set ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENAI_BASE_URL'))
  } else {
    lines.done('model', hub.models.defaultModel)
  }
  lines.done('hub', `${colors.bold(colors.cyan(hub.url))} ${colors.dim(`up in ${duration(startMs)}`)}`)
  if (hub.moved)
    terminal.line(
      colors.yellow(`               port ${DEFAULT_PORT} is taken by another program, so this is the next free one`),
    )
  if (settings.publicUrl !== null) lines.done('outside', settings.publicUrl)
}

/** The token, this once, and what to paste to add the hub to MCP clients. */
export function showClients(terminal: Terminal, hub: { url: string; token: string; dataDir: string }): void {
  const { colors } = terminal
  terminal.line(
    `\n  ${colors.bold('Admin token')} ${colors.dim(`· shown this once; \`${terminal.command} token\` makes another`)}\n`,
  )
  terminal.line(hub.token)
  terminal.line(`\n  ${colors.bold('Add the hub to your MCP client')} ${colors.dim('· the token is in these lines')}`)
  for (const { client, how, text } of clientLines(hub)) {
    // Whole lines without a margin, so that what is copied is what is meant.
    terminal.line(`\n  ${colors.cyan(client)} ${colors.dim(`· ${how}`)}\n${text}`)
  }
}

export function showNext(terminal: Terminal, url: string): void {
  const { colors, command } = terminal
  terminal.line(`\n  ${colors.bold('The hub serves.')} Open ${colors.cyan(url)}, or from another terminal:\n`)
  for (const line of ['run welcome "What can you do?"', 'runs', 'doctor', 'help']) terminal.line(`  ${command} ${line}`)
  terminal.line()
  terminal.line(colors.dim('  Ctrl-C stops it.'))
}
