import { randomBytes, randomUUID } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { CliError, exitCode } from './exit-code.ts'

/** What `up` writes for every other command, mode 0600, and removes when it stops. */
export type HubFile = {
  url: string
  pid: number
  /** A token with the rights of the hub's administrator. */
  token: string
  started_at: string
}

export const hubFilePath = (dataDir: string): string => join(dataDir, 'hub.json')
export const logFilePath = (dataDir: string): string => join(dataDir, 'logs', 'hub.log')
const relayPortPath = (dataDir: string): string => join(dataDir, 'relay-port')

/** Makes the folder (0700) and its master key (0600) where they are missing; both stay as they are else. Returns the real path. */
export function openDataFolder(dataDir: string): string {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    const folder = realpathSync(dataDir)
    const { mode, uid } = statSync(folder)
    // The folder holds keys and tokens: one made by hand with a lax umask is closed, one of another user is not ours to close.
    if (uid === process.getuid?.() && (mode & 0o077) !== 0) chmodSync(folder, 0o700)
    mkdirSync(join(folder, 'logs'), { recursive: true, mode: 0o700 })
    ensureMasterKey(join(folder, 'master.key'))
    return folder
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError('data_folder_unusable', `The data folder ${dataDir} cannot be used: ${messageOf(error)}.`, {
      hint: 'Give this user the right to write there, or set SIGNALBOX_DATA_DIR to another folder.',
      exitCode: exitCode.failed,
      cause: error,
    })
  }
}

/** 32 random bytes in base64, made once: what is encrypted with it is lost without it. */
function ensureMasterKey(file: string): void {
  if (existsSync(file)) {
    const { mode, size } = statSync(file)
    if (size === 0)
      throw new CliError('master_key_empty', `The master key ${file} is empty.`, {
        hint: 'Restore it from a backup. Delete it only when nothing was ever encrypted with it.',
        exitCode: exitCode.failed,
      })
    if ((mode & 0o077) !== 0) chmodSync(file, 0o600)
    return
  }
  const written = `${file}.${randomUUID()}`
  writeSecretFile(written, `${randomBytes(32).toString('base64')}\n`)
  try {
    // A link never replaces: of two that start at once, one key wins and both use it.
    linkSync(written, file)
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
  } finally {
    rmSync(written, { force: true })
  }
}

/** Replaces the file in one step: a reader sees the old one or the new one, never half of it. */
export function writeHubFile(dataDir: string, hub: HubFile): void {
  const file = hubFilePath(dataDir)
  const written = `${file}.${process.pid}`
  writeSecretFile(written, `${JSON.stringify(hub, null, 2)}\n`)
  renameSync(written, file)
}

/** Removes the file when it is still this process's. */
export function removeHubFile(dataDir: string): void {
  if (readHubFile(dataDir)?.pid === process.pid) rmSync(hubFilePath(dataDir), { force: true })
}

/** Null when there is none, or nothing that a hub wrote. */
export function readHubFile(dataDir: string): HubFile | null {
  try {
    const hub: unknown = JSON.parse(readFileSync(hubFilePath(dataDir), 'utf8'))
    if (!hub || typeof hub !== 'object') return null
    const { url, pid, token, started_at } = hub as Record<string, unknown>
    if (typeof url !== 'string' || typeof pid !== 'number' || typeof token !== 'string') return null
    return { url, pid, token, started_at: typeof started_at === 'string' ? started_at : '' }
  } catch {
    // Missing, unreadable or not JSON: for the caller it is all the same, no hub is known here.
    return null
  }
}

/** The loopback port of the model relay at the last start: running harnesses keep calling it after a restart. */
export function readRelayPort(dataDir: string): number | null {
  try {
    const port = Number(readFileSync(relayPortPath(dataDir), 'utf8'))
    return Number.isInteger(port) && port > 0 && port < 65_536 ? port : null
  } catch {
    // First start.
    return null
  }
}

export function writeRelayPort(dataDir: string, port: number): void {
  const written = `${relayPortPath(dataDir)}.${process.pid}`
  writeSecretFile(written, `${port}\n`)
  renameSync(written, relayPortPath(dataDir))
}

/** Mode 0600 from the first byte on, and on disk when it returns. */
function writeSecretFile(file: string, content: string): void {
  const handle = openSync(file, 'w', 0o600)
  try {
    writeSync(handle, content)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

export const isErrno = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
