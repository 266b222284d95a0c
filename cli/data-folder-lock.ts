import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { isErrno, readHubFile } from './data-folder.ts'
import { claimByHeartbeat, place } from './data-folder-heartbeat.ts'
import { CliError, exitCode } from './exit-code.ts'

type LockOptions = {
  platform?: NodeJS.Platform
  /** Hears of a hub elsewhere that left a claim, while it is watched for a sign of life. */
  watching?: (holder: string) => void
}

/**
 * One process a data folder: PGlite takes no lock, and a second process on its files silently loses commits.
 * On Linux the lock is an abstract socket, which the kernel frees with its process, `kill -9` included; it is named after
 * device and inode, so that another path to the same folder is the same lock. It reaches no further than its container, so a
 * heartbeat is beside it. Elsewhere the lock is a file with the process id.
 * Resolves to what frees it; throws `data_folder_in_use`.
 */
export async function lockDataFolder(dataDir: string, options: LockOptions = {}): Promise<() => void> {
  const { platform = process.platform } = options
  if (platform !== 'linux') return lockByFile(dataDir)
  const free = await lockBySocket(dataDir)
  try {
    const claimed = await claimByHeartbeat(dataDir, {
      place: place(),
      ...(options.watching ? { watching: options.watching } : {}),
    })
    if (typeof claimed !== 'function') throw inUse(dataDir, `a hub on ${claimed.heldBy}`)
    return () => {
      claimed()
      free()
    }
  } catch (error) {
    free()
    throw error
  }
}

async function lockBySocket(dataDir: string): Promise<() => void> {
  const server = createServer((socket) => socket.destroy())
  server.unref()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(isErrno(error, 'EADDRINUSE') ? inUseHere(dataDir, readHubFile(dataDir)?.pid) : error),
    )
    server.listen(lockName(dataDir), resolve)
  })
  return () => void server.close()
}

function lockName(dataDir: string): string {
  const { dev, ino } = statSync(dataDir, { bigint: true })
  return `\0signalbox-${createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 32)}`
}

function lockByFile(dataDir: string): () => void {
  const file = join(dataDir, 'lock')
  for (let attempt = 0; ; attempt++) {
    try {
      const handle = openSync(file, 'wx', 0o600)
      writeSync(handle, String(process.pid))
      closeSync(handle)
      return () => rmSync(file, { force: true })
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
      const holder = Number(readFileSync(file, 'utf8'))
      if (attempt > 0 || isAlive(holder)) throw inUseHere(dataDir, holder)
      // Moved away before it is removed: of two starters that both found it stale, only one gets to.
      const stale = `${file}.${process.pid}`
      try {
        renameSync(file, stale)
        rmSync(stale)
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error
      }
    }
  }
}

/** True while a process with this id runs, whoever owns it. */
export function isAlive(pid: number): boolean {
  // 0 and below name process groups, not a process.
  if (!(pid > 0)) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return isErrno(error, 'EPERM')
  }
}

function inUseHere(dataDir: string, pid: number | undefined): CliError {
  const url = readHubFile(dataDir)?.url
  const who = pid === undefined ? 'another process' : `process ${pid}`
  return inUse(dataDir, url === undefined ? who : `${who}, serving ${url}`, { pid: pid ?? null, url: url ?? null })
}

function inUse(dataDir: string, holder: string, details: Record<string, unknown> = {}): CliError {
  return new CliError('data_folder_in_use', `The data folder ${dataDir} is in use by ${holder}.`, {
    hint: 'Use that hub, stop it first (Ctrl-C where it runs), or set SIGNALBOX_DATA_DIR to another folder.',
    exitCode: exitCode.conflict,
    details: { data_dir: dataDir, holder, ...details },
  })
}
