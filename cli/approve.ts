import type { Subcommand } from './command.ts'
import { decideWith } from './decide.ts'

/** `signalbox approve ID`: allows it once, unless another option is named. */
export const approve: Subcommand = (command, context) => decideWith(command, context, ['allow_once', 'allow_always'])
