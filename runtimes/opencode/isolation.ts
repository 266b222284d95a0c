import { execFile } from 'node:child_process'
import { chmod, lstat, mkdir, readdir, realpath, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, sep } from 'node:path'
import { promisify } from 'node:util'

/** How agents of one server are kept apart from the hub and from each other. */
export type Isolation =
  | { kind: 'uids'; setpriv: string }
  /** Commands would run with the hub's own rights, so none are run. */
  | { kind: 'none'; reason: string; remedy: string }

const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv']
const FIRST_UID = 200_000

/** The user that an agent's commands run as and its files belong to; the same for all its sessions. */
export const uidOf = (agentNumber: number): number => FIRST_UID + agentNumber

const REMEDY = 'Run the hub as root (a container does), or run agents that need commands on a machine.'

export async function findIsolation(uid = process.getuid?.()): Promise<Isolation> {
  if (uid !== 0)
    return {
      kind: 'none',
      reason: 'the hub is not root, so it cannot give each agent a user of its own',
      remedy: REMEDY,
    }
  for (const setpriv of SETPRIV) {
    const works = await promisify(execFile)(setpriv, [...setprivArguments(FIRST_UID), '/bin/true']).then(
      () => true,
      () => false,
    )
    if (works) return { kind: 'uids', setpriv }
  }
  return {
    kind: 'none',
    reason: 'setpriv is missing or may not change users here',
    remedy:
      'Install util-linux and let the container keep CAP_SETUID and CAP_SETGID, or run agents that need commands on a machine.',
  }
}

export function setprivArguments(uid: number): string[] {
  return [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--no-new-privs', '--inh-caps=-all']
}

/**
 * The folder that holds the workspaces: an agent's user can pass through it and not list it. The hub's own folders on the way get
 * the right to be passed through, and only where everything else in them is closed to others. Where the way is closed further up
 * (a home), the workspaces lie outside of it. Throws when no folder can be made.
 */
export async function workspacesFolder(input: {
  dataDir: string
  runtimeId: string
  chosen: string | undefined
  isolation: Isolation
}): Promise<string> {
  const { dataDir, runtimeId, chosen, isolation } = input
  const own = join(dataDir, 'workspaces')
  if (isolation.kind === 'none') {
    const folder = chosen ?? own
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return await realpath(folder)
  }
  if (chosen !== undefined) return await passable(chosen)
  const closed = await closedFolders(await realpath(dataDir))
  if (closed === null) return await passable(join(await elsewhere(dataDir), runtimeId, 'workspaces'))
  for (const folder of closed) await chmod(folder, 0o711)
  return await passable(own)
}

/** For lasting data `/var/lib`; a hub whose data is temporary leaves nothing behind that outlives it. */
async function elsewhere(dataDir: string): Promise<string> {
  const temporary = await realpath(tmpdir())
  if (!(await realpath(dataDir)).startsWith(temporary + sep)) return '/var/lib/signalbox'
  const folder = join(temporary, 'signalbox-workspaces')
  await passable(folder)
  return folder
}

/** A runtime's folder lies two below the hub's data folder: nothing above that is the hub's to open. */
const HUB_FOLDERS = 3

/** The folders that must be opened for others to pass; null when one of them may not be. */
async function closedFolders(dataDir: string): Promise<string[] | null> {
  const closed: string[] = []
  let way = dataDir
  for (let level = 0; ; level++) {
    const { mode, uid } = await stat(way)
    if (!(mode & 0o001)) {
      if (level >= HUB_FOLDERS || uid !== 0 || !(await holdsNothingOpen(way))) return null
      closed.push(way)
    }
    if (way === dirname(way)) return closed
    way = dirname(way)
  }
}

/** True when others could read or change nothing below even if they knew its name. Workspaces are the agents' own. */
async function holdsNothingOpen(folder: string): Promise<boolean> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name === 'workspaces') continue
    const path = join(folder, entry.name)
    const { mode } = await lstat(path)
    if ((mode & 0o006) !== 0) return false
    if ((mode & 0o001) !== 0 && !(entry.isDirectory() && (await holdsNothingOpen(path)))) return false
  }
  return true
}

async function passable(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o711 })
  const found = await lstat(folder)
  // In a folder that is open to all, somebody else may have been there first.
  if (found.uid !== 0 || !found.isDirectory()) throw new Error(`${folder} is not a folder of root`)
  await chmod(folder, 0o711)
  return await realpath(folder)
}
