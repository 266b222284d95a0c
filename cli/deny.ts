import type { Subcommand } from './command.ts'
import { decideWith } from './decide.ts'

/** `signalbox deny ID`: rejects it once, unless another option is named. */
export const deny: Subcommand = (command, context) => decideWith(command, context, ['reject_once', 'reject_always'])
