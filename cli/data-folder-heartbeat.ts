import { randomUUID } from 'node:crypto'
import { linkSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isErrno } from './data-folder.ts'

/** Which machine or container a process is in: locks of the kernel reach no further. */
export const place = (): string => `${hostname()} ${bootId()} ${readlinkSync('/proc/self/ns/net')}`

type Options = {
  place: string
  /** How often the holder shows that it lives. */
  everyMs?: number
  /** How long a holder elsewhere may show nothing before it counts as dead; making a database blocks it for seconds. */
  patienceMs?: number
  watching?: (holder: string) => void
}

/**
 * Claims the folder against processes that share it from other machines or containers: the holder touches a file, and whoever
 * finds a file of another place watches it, so that no clocks are compared. The caller holds the lock of this place.
 * Resolves to what gives the claim up, or to the place that holds it.
 */
export async function claimByHeartbeat(dataDir: string, options: Options): Promise<(() => void) | { heldBy: string }> {
  const { everyMs = 1_000, patienceMs = 20_000, watching = () => {} } = options
  const file = join(dataDir, 'claim')
  // Not the process id: in containers it is often the same.
  const mine = `${file}.${randomUUID()}`
  writeFileSync(mine, options.place, { mode: 0o600 })
  try {
    while (!linked(mine, file)) {
      const holder = read(file)
      if (holder === null) continue
      if (holder !== options.place) {
        const name = holder.split(' ')[0]!
        watching(name)
        if (await beats(file, everyMs, patienceMs)) return { heldBy: name }
      }
      replace(file, holder)
    }
  } finally {
    rmSync(mine, { force: true })
  }
  const timer = setInterval(() => {
    try {
      utimesSync(file, new Date(), new Date())
    } catch {
      // Taken away by hand, or the disk is gone, which the database says louder.
    }
  }, everyMs)
  timer.unref()
  return () => {
    clearInterval(timer)
    rmSync(file, { force: true })
  }
}

/** A link never replaces: of two that find no file, one gets it. */
function linked(mine: string, file: string): boolean {
  try {
    linkSync(mine, file)
    return true
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false
    throw error
  }
}

async function beats(file: string, everyMs: number, patienceMs: number): Promise<boolean> {
  const before = touched(file)
  for (let waited = 0; waited < patienceMs; waited += everyMs) {
    await delay(everyMs)
    const now = touched(file)
    if (now !== before) return now !== null
  }
  return false
}

/** Moved away before it is removed, and put back when it was another one by then. */
function replace(file: string, expected: string): void {
  const away = `${file}.${randomUUID()}`
  try {
    renameSync(file, away)
    if (read(away) !== expected) linked(away, file)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  } finally {
    rmSync(away, { force: true })
  }
}

function touched(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? null
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
