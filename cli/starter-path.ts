import { join } from 'node:path'
import { packageFolder } from './package-folder.ts'

/** What an empty hub begins with. The first run reads it too: a real file, and one that is worth knowing. */
export const starterPath = (name = 'signalbox.yaml'): string => join(packageFolder(), 'cli', 'starter', name)
