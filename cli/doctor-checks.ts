import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Health, RuntimeInfo } from '../core/index.ts'
import type { Context } from './command.ts'
import { messageOf, readHubFile } from './data-folder.ts'
import { lockDataFolder } from './data-folder-lock.ts'
import { CliError } from './exit-code.ts'
import { findDataFolder, findHub } from './hub-address.ts'
import { type HubSettings, readHubSettings } from './hub-settings.ts'
import { DEFAULT_PORT, listen } from './listen.ts'
import { packageFolder } from './package-folder.ts'
import { oneLine, printable } from './terminal.ts'

/** `note`: worth knowing, nothing is broken. Each problem has its remedy. */
export type Finding = { name: string; status: 'ok' | 'note' | 'problem'; message: string; remedy: string | null }

type Check = (context: Context) => Promise<Finding[]>

const ok = (name: string, message: string): Finding => ({ name, status: 'ok', message, remedy: null })
const note = (name: string, message: string, remedy: string): Finding => ({ name, status: 'note', message, remedy })
const problem = (name: string, message: string, remedy: string): Finding => ({
  name,
  status: 'problem',
  message,
  remedy,
})

/** What is free below this is soon full of sessions, files and logs. */
const LITTLE_DISK = 1024 ** 3

export const checks: Check[] = [
  checkNode,
  checkSettings,
  checkDataFolder,
  checkDisk,
  checkModel,
  checkHub,
  checkRuntimes,
]

async function checkNode(): Promise<Finding[]> {
  // Our own package.json, which states it.
  const { engines } = JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')) as {
    engines: { node: string }
  }
  const [major = 0, minor = 0] = engines.node
    .replace(/[^\d.]/g, '')
    .split('.')
    .map(Number)
  const [runningMajor = 0, runningMinor = 0] = process.versions.node.split('.').map(Number)
  const fits = runningMajor > major || (runningMajor === major && runningMinor >= minor)
  const version = `Node ${process.versions.node} on ${process.platform} ${process.arch}`
  return [fits ? ok('node', version) : problem('node', `${version} is too old.`, `Install Node ${engines.node}.`)]
}

async function checkSettings({ env }: Context): Promise<Finding[]> {
  const settings = settingsOf(env)
  if (!(settings instanceof CliError)) return [ok('settings', 'the environment is valid')]
  const problems = Array.isArray(settings.details) ? settings.details.map(String) : [settings.message]
  return problems.map((text) => problem('settings', text, settings.hint))
}

async function checkDataFolder({ env }: Context): Promise<Finding[]> {
  const folder = dataFolderOf(env)
  if (!existsSync(folder)) {
    const parent = dirname(folder)
    return [
      mayWrite(existsSync(parent) ? parent : process.cwd())
        ? ok('data folder', `${folder} is made by the first \`signalbox up\``)
        : problem(
            'data folder',
            `${folder} cannot be made: ${parent} may not be written.`,
            'Set SIGNALBOX_DATA_DIR to a folder that this user may write.',
          ),
    ]
  }
  const findings: Finding[] = []
  if (!mayWrite(folder))
    findings.push(
      problem('data folder', `${folder} may not be written by this user.`, `Run as its owner, or chown -R it.`),
    )
  const { mode } = statSync(folder)
  // Passing through (711) is what the users of inline agents need to reach their workspaces; they can neither list nor read.
  if ((mode & 0o066) !== 0)
    findings.push(
      problem(
        'data folder',
        `${folder} is open to other users (${(mode & 0o777).toString(8)}).`,
        `chmod 700 ${folder}`,
      ),
    )
  const key = join(folder, 'master.key')
  if (existsSync(key) && (statSync(key).mode & 0o077) !== 0)
    findings.push(problem('master key', `${key} is open to other users.`, `chmod 600 ${key}`))
  return findings.length > 0 ? findings : [ok('data folder', folder)]
}

async function checkDisk({ env }: Context): Promise<Finding[]> {
  const folder = dataFolderOf(env)
  const { bavail, bsize } = await statfs(existsSync(folder) ? folder : process.cwd())
  const free = bavail * bsize
  const text = `${(free / 1024 ** 3).toFixed(1)} GiB free`
  return [
    free < LITTLE_DISK
      ? problem(
          'disk',
          `only ${text} where the data folder is.`,
          'Make room, or set SIGNALBOX_DATA_DIR to another disk.',
        )
      : ok('disk', text),
  ]
}

async function checkModel({ env }: Context): Promise<Finding[]> {
  const settings = settingsOf(env)
  if (settings instanceof CliError) return []
  const { providersFromEnv } = await import('../gateway/providers.ts')
  try {
    const { demo, defaultModel } = await providersFromEnv(settings.env)
    if (!demo) return [ok('model', `${defaultModel}, by this environment`)]
    return [
      note(
        'model',
        'this environment has no provider key: a hub started here uses the offline demo model.',
        'Set ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENAI_BASE_URL before `signalbox up` for a real one.',
      ),
    ]
  } catch (error) {
    return [
      problem(
        'model',
        messageOf(error),
        error instanceof Error && 'hint' in error ? String(error.hint) : 'Check the provider settings.',
      ),
    ]
  }
}

async function checkHub(context: Context): Promise<Finding[]> {
  const { env, hub } = context
  try {
    findHub(env)
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    if (error.code !== 'hub_not_running') return [problem('hub', error.message, error.hint)]
    return [note('hub', error.message, error.hint), ...(await checkStart(env))]
  }
  try {
    const { version } = await hub.get<{ version: string }>('/healthz')
    const findings = [ok('hub', `${hub.url}, version ${version}`)]
    const me = await hub.get<{ name: string; admin: boolean }>('/api/v1/me')
    findings.push(ok('token', `${me.name}${me.admin ? ', an administrator' : ''}`))
    // An answer with 503 has the reason and is no refusal of ours.
    const ready = await fetch(`${hub.url}/readyz`)
    const { message } = (await ready.json()) as { message?: string }
    findings.push(
      ready.ok
        ? ok('database', 'answers')
        : problem(
            'database',
            message ?? 'does not answer',
            'Check DATABASE_URL and the database server; the log of the hub has more.',
          ),
    )
    return findings
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    return [problem('hub', error.message, error.hint)]
  }
}

/** No hub runs: would one start? */
async function checkStart(env: Context['env']): Promise<Finding[]> {
  const settings = settingsOf(env)
  if (settings instanceof CliError) return []
  const findings: Finding[] = []
  if (existsSync(settings.dataDir)) {
    try {
      ;(await lockDataFolder(settings.dataDir))()
      if (readHubFile(settings.dataDir))
        findings.push(
          note('lock', 'the last hub here did not end cleanly.', 'Nothing to do: the next start takes up its runs.'),
        )
    } catch (error) {
      if (!(error instanceof CliError)) throw error
      findings.push(problem('lock', error.message, error.hint))
    }
  }
  try {
    const { host, port } = settings
    const listening = await listen(() => new Response(), {
      host,
      port,
      log: { info: () => {}, warn: () => {}, error: () => {} },
    })
    await listening.close(0)
    findings.push(
      listening.moved
        ? note(
            'port',
            `port ${DEFAULT_PORT} is taken by another program; the next start takes ${listening.port}.`,
            'Set PORT to choose another one.',
          )
        : ok('port', `${listening.port} on ${host} is free`),
    )
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    findings.push(problem('port', error.message, error.hint))
  }
  return findings
}

async function checkRuntimes({ hub }: Context): Promise<Finding[]> {
  try {
    const { data } = await hub.list<RuntimeInfo>('/api/v1/runtimes', { limit: Number.POSITIVE_INFINITY })
    const findings: Finding[] = []
    for (const { name, kind } of data) {
      const health = await hub.post<Health>(`/api/v1/runtimes/${name}/check`)
      findings.push(toFinding(`runtime ${name}`, kind, health))
    }
    return findings
  } catch (error) {
    // Without a hub there is nothing to ask; that one is missing was said before.
    if (error instanceof CliError) return []
    throw error
  }
}

function toFinding(name: string, kind: string, { status, version, message, remedy }: Health): Finding {
  const said = oneLine(printable(message ?? ''), 400)
  const what = `${kind}${version === null ? '' : ` ${version}`}`
  switch (status) {
    case 'ok':
      return remedy === null
        ? ok(name, [what, said].filter(Boolean).join(': '))
        : note(name, `${what}: ${said}`, remedy)
    case 'unknown':
    case 'degraded':
      return note(name, `${what}: ${said || status}`, remedy ?? 'Look at the log of the hub.')
    case 'down':
      return problem(name, `${what}: ${said || 'down'}`, remedy ?? 'Look at the log of the hub.')
  }
}

function settingsOf(env: Context['env']): HubSettings | CliError {
  try {
    return readHubSettings(env)
  } catch (error) {
    if (error instanceof CliError) return error
    throw error
  }
}

/** The folder that commands here find, else the one that `up` would make. */
function dataFolderOf(env: Context['env']): string {
  return findDataFolder(env, process.cwd()) ?? join(process.cwd(), '.signalbox')
}

function mayWrite(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    return true
  } catch {
    // Not there, or not ours.
    return false
  }
}
