import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { sep } from 'node:path'
import { delay } from './delay.ts'

/** A process that is surely the one meant: pids are used again, a pid with its start time is not. */
export type Identity = { pid: number; startedAt: string }

/** When a process was started, in a form that only compares; null when there is none (a zombie is none). */
export function startTime(pid: number): string | null {
  if (process.platform === 'linux') {
    const fields = statFields(pid)
    return fields === null || fields[0] === 'Z' ? null : fields[19]!
  }
  try {
    return execFileSync('/bin/ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || null
  } catch {
    // ps fails for a pid that is not there.
    return null
  }
}

export const isAlive = ({ pid, startedAt }: Identity): boolean => startTime(pid) === startedAt

/** Ends exactly this process: asks, waits, then kills. Returns when it is gone. */
export async function endProcess(identity: Identity, graceMs = 3_000): Promise<void> {
  signal(identity, 'SIGTERM')
  const until = Date.now() + graceMs
  while (isAlive(identity) && Date.now() < until) await delay(20)
  signal(identity, 'SIGKILL')
  while (isAlive(identity)) await delay(20)
}

/** Sends a signal to this process and to no other that took its pid. */
export function signal(identity: Identity, name: NodeJS.Signals): void {
  if (!isAlive(identity)) return
  try {
    process.kill(identity.pid, name)
  } catch {
    // It ended in between.
  }
}

/** What a process started, and what those started: commands of agents outlive the server that runs them. Linux only. */
export function descendants(pid: number): Identity[] {
  if (process.platform !== 'linux') return []
  const children = new Map<number, Identity[]>()
  for (const name of readdirSync('/proc')) {
    const fields = /^\d+$/.test(name) ? statFields(Number(name)) : null
    if (!fields) continue
    const parent = Number(fields[1])
    children.set(parent, [...(children.get(parent) ?? []), { pid: Number(name), startedAt: fields[19]! }])
  }
  const found: Identity[] = []
  for (let queue = [pid]; queue.length > 0; ) {
    const next = children.get(queue.pop()!) ?? []
    found.push(...next)
    queue = [...queue, ...next.map((child) => child.pid)]
  }
  return found
}

/** What works in a folder or below: a command whose server was killed has nothing else left that tells whose it is. Linux only. */
export function workingIn(folder: string): Identity[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      if (!`${readlinkSync(`/proc/${name}/cwd`)}${sep}`.startsWith(`${folder}${sep}`)) return []
    } catch {
      // Gone, or another user's and not ours to end.
      return []
    }
    const startedAt = startTime(Number(name))
    return startedAt === null ? [] : [{ pid: Number(name), startedAt }]
  })
}

/** The fields of /proc/pid/stat after the name, which may itself hold spaces and brackets: state, parent, ..., start time. */
function statFields(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}
