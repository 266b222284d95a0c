import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Where everything of one server lies. `root` is the hub's; only workspaces are ever an agent's. */
export type Home = {
  root: string
  /** HOME and XDG folders of the server: OpenCode's own data, and nothing of the person's. */
  user: string
  /** What the plugin is told about each session: settings, token, shell. */
  sessions: string
  workspaces: string
  /** A folder without a session, where the first instance of a server is opened. */
  idle: string
  plugin: string
  /** Changes with what the plugin does. */
  pluginDigest: string
  state: string
  password: string
  log: string
  heartbeats: string
}

export type HomeInput = { dataDir: string; workspaces: string; version: string }

/**
 * Makes the folders of a server and seeds OpenCode's config folder so that nothing is fetched at start: with a plugin configured,
 * OpenCode installs `@opencode-ai/plugin` from npm into every config folder before it opens the first session, unless a lock file
 * names it (only names are compared). Writing it again changes nothing.
 */
export async function prepareHome({ dataDir, workspaces, version }: HomeInput): Promise<Home> {
  const home: Home = {
    root: dataDir,
    user: join(dataDir, 'home'),
    sessions: join(dataDir, 'sessions'),
    workspaces,
    idle: join(dataDir, 'idle'),
    plugin: join(dataDir, 'plugin', 'signalbox.js'),
    pluginDigest: await copyPlugin(join(dataDir, 'plugin')),
    state: join(dataDir, 'server.json'),
    password: join(dataDir, 'password'),
    log: join(dataDir, 'server.log'),
    heartbeats: join(dataDir, 'heartbeats'),
  }
  const config = join(home.user, 'config', 'opencode')
  for (const folder of [
    home.user,
    home.sessions,
    home.idle,
    home.heartbeats,
    join(home.user, 'path'),
    join(home.user, 'tmp'),
  ]) {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await chmod(folder, 0o700)
  }
  await mkdir(join(config, 'node_modules'), { recursive: true })
  const dependencies = { '@opencode-ai/plugin': version }
  await writeFile(join(config, 'package.json'), JSON.stringify({ dependencies }))
  await writeFile(
    join(config, 'package-lock.json'),
    JSON.stringify({ lockfileVersion: 3, packages: { '': { dependencies } } }),
  )
  await writeFile(join(config, 'opencode.json'), JSON.stringify(serverConfig(home.plugin), null, 2))
  // An empty catalogue: with the one that OpenCode ships, each folder costs 55 MB and a second of CPU.
  await writeFile(join(home.user, 'models.json'), '{}')
  return home
}

/**
 * What holds for every session. Formatters, language servers and snapshots run programs that lie in a workspace with the server's
 * own rights, so they are off whatever an agent asks for.
 */
function serverConfig(plugin: string) {
  return {
    $schema: 'https://opencode.ai/config.json',
    autoupdate: false,
    share: 'disabled',
    snapshot: false,
    formatter: false,
    lsp: false,
    plugin: [pathToFileURL(plugin).href],
  }
}

/**
 * The whole environment of the server. PATH is an empty folder: the server finds no git, no ripgrep and no formatter to run on its
 * own behalf in a workspace; commands of agents get a PATH of their own.
 */
export function serverEnvironment(home: Home, own: { password: string; heartbeat: string }): Record<string, string> {
  return {
    PATH: join(home.user, 'path'),
    HOME: home.user,
    TMPDIR: join(home.user, 'tmp'),
    XDG_CONFIG_HOME: join(home.user, 'config'),
    XDG_DATA_HOME: join(home.user, 'data'),
    XDG_CACHE_HOME: join(home.user, 'cache'),
    XDG_STATE_HOME: join(home.user, 'state'),
    OPENCODE_SERVER_PASSWORD: own.password,
    OPENCODE_MODELS_PATH: join(home.user, 'models.json'),
    OPENCODE_DISABLE_MODELS_FETCH: '1',
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
    OPENCODE_DISABLE_PROJECT_CONFIG: '1',
    OPENCODE_DISABLE_CLAUDE_CODE: '1',
    OPENCODE_DISABLE_EXTERNAL_SKILLS: '1',
    OPENCODE_DISABLE_EMBEDDED_WEB_UI: '1',
    OPENCODE_ENABLE_QUESTION_TOOL: '1',
    SIGNALBOX_HOME: home.root,
    SIGNALBOX_WORKSPACES: home.workspaces,
    SIGNALBOX_HEARTBEAT: own.heartbeat,
  }
}

/** A copy that stays as it is while the server runs, wherever the hub was started from. */
async function copyPlugin(target: string): Promise<string> {
  await mkdir(target, { recursive: true, mode: 0o700 })
  const hash = createHash('sha256')
  const source = pluginSource()
  for (const name of (await readdir(source)).sort()) {
    const content = await readFile(join(source, name))
    hash.update(name).update(content)
    await writeFile(join(target, name), content, { mode: 0o600 })
  }
  return hash.digest('hex')
}

/** Plain JavaScript for OpenCode's own runtime, so the build leaves it where it is. */
function pluginSource(): string {
  const name = join('runtimes', 'opencode', 'plugin')
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const path = join(folder, name)
    if (existsSync(join(path, 'signalbox.js'))) return path
    if (folder === dirname(folder)) throw new Error(`${name} is missing from the installation`)
  }
}
