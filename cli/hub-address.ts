import { existsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { hubFilePath, readHubFile } from './data-folder.ts'
import { isAlive } from './data-folder-lock.ts'
import { CliError, exitCode } from './exit-code.ts'
import { type Environment, withFiles } from './settings.ts'

export type HubAddress = {
  url: string
  token: string
  /** The data folder it was found in; null when the environment named it. */
  dataDir: string | null
}

/**
 * The hub that a command talks to: SIGNALBOX_URL with SIGNALBOX_TOKEN, else the hub.json of SIGNALBOX_DATA_DIR, else of the
 * nearest `.signalbox` folder from here upward. Throws `hub_not_running`, `token_missing` or `hub_file_foreign`.
 */
export function findHub(environment: Environment, cwd = process.cwd()): HubAddress {
  const env = withFiles(environment)
  const dataDir = findDataFolder(env, cwd)
  const hub = dataDir === null ? null : trustedHubFile(dataDir)
  if (env.SIGNALBOX_URL) {
    const url = env.SIGNALBOX_URL.replace(/\/+$/, '')
    // A token goes only where it belongs: to the hub that wrote it, or where the person sends it.
    const token = env.SIGNALBOX_TOKEN ?? (hub?.url === url ? hub.token : undefined)
    if (token) return { url, token, dataDir: null }
    throw new CliError('token_missing', `SIGNALBOX_URL is set to ${url}, but there is no token for it.`, {
      hint: 'Set SIGNALBOX_TOKEN; on the machine of the hub `signalbox token` makes one.',
      exitCode: exitCode.forbidden,
    })
  }
  if (!hub || dataDir === null) {
    throw new CliError(
      'hub_not_running',
      dataDir === null ? `No hub was found from ${cwd} upward.` : `No hub is running on ${dataDir}.`,
      {
        hint: 'Start one with `signalbox up`, or set SIGNALBOX_DATA_DIR, or SIGNALBOX_URL and SIGNALBOX_TOKEN.',
        exitCode: exitCode.unreachable,
      },
    )
  }
  if (!isAlive(hub.pid)) {
    throw new CliError('hub_not_running', `The hub on ${dataDir} is not running: its process ${hub.pid} is gone.`, {
      hint: 'Start it again with `signalbox up`: it takes up its runs where they were.',
      exitCode: exitCode.unreachable,
    })
  }
  return { url: hub.url, token: env.SIGNALBOX_TOKEN ?? hub.token, dataDir }
}

/** SIGNALBOX_DATA_DIR, or the nearest `.signalbox` folder from `cwd` upward; null when there is none. */
export function findDataFolder(env: Environment, cwd: string): string | null {
  if (env.SIGNALBOX_DATA_DIR) return resolve(cwd, env.SIGNALBOX_DATA_DIR)
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const candidate = join(folder, '.signalbox')
    if (existsSync(candidate)) return candidate
    if (folder === dirname(folder)) return null
  }
}

/** Found by searching upward, a hub.json may be another user's bait: prompts and files would go to them. */
function trustedHubFile(dataDir: string): ReturnType<typeof readHubFile> {
  const hub = readHubFile(dataDir)
  if (!hub || !process.getuid) return hub
  const { uid, mode } = statSync(hubFilePath(dataDir))
  if ((uid === process.getuid() || uid === 0) && (mode & 0o022) === 0) return hub
  throw new CliError(
    'hub_file_foreign',
    `${hubFilePath(dataDir)} belongs to another user or may be written by others, so it is not used.`,
    {
      hint: 'Work in another folder, or set SIGNALBOX_URL and SIGNALBOX_TOKEN.',
      exitCode: exitCode.forbidden,
    },
  )
}
