import type { Command } from 'commander'
import type { HubClient } from './hub-client.ts'
import type { Environment } from './settings.ts'
import type { Terminal } from './terminal.ts'

/** What each subcommand gets. */
export type Context = {
  env: Environment
  terminal: Terminal
  hub: HubClient
}

/** One subcommand: adds its arguments, options and action. Its file is loaded only when it is the one that is called. */
export type Subcommand = (command: Command, context: Context) => void

/** Every command has it; what it prints then is one JSON document, or one a line where it streams. */
export type JsonOption = { json?: true }
