import { execFile } from 'node:child_process'
import { chmod, mkdir, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
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
 * The folder that holds the workspaces: an agent's user can pass through it and not list it. The hub's data folder is closed to
 * everybody, so where agents have users of their own and cannot get there, the workspaces lie in /var/lib (or in `chosen`).
 * Throws when that folder cannot be made.
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
  if (!(await reachable(dirname(dataDir)))) return await passable(join('/var/lib/signalbox', runtimeId, 'workspaces'))
  await chmod(dataDir, 0o711)
  return await passable(own)
}

async function reachable(folder: string): Promise<boolean> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (!((await stat(at)).mode & 0o001)) return false
    if (at === dirname(at)) return true
  }
}

async function passable(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o711 })
  await chmod(folder, 0o711)
  return await realpath(folder)
}
