import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export type Checkout = { folder: string; home: string; remove(): void }

/** A copy of the repository as a fresh clone would have it (with changes not yet committed), and an empty home beside it. */
export function freshCheckout(root: string): Checkout {
  const base = mkdtempSync(join(tmpdir(), 'signalbox-readme-'))
  const [folder, home] = [join(base, 'signalbox'), join(base, 'home')]
  mkdirSync(home)
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  // A file that is deleted but not yet committed as such is still listed.
  for (const path of list.split('\0').filter((path) => path && existsSync(join(root, path)))) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    cpSync(join(root, path), join(folder, path))
  }
  return { folder, home, remove: () => rmSync(base, { recursive: true, force: true }) }
}
