import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * The folder of Signalbox's own package.json, from the sources, from dist/ and from node_modules: where the starter and
 * other files that are not code are found.
 */
export function packageFolder(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const file = join(folder, 'package.json')
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'signalbox') return folder
    if (folder === dirname(folder)) throw new Error('signalbox is installed without its package.json')
  }
}
