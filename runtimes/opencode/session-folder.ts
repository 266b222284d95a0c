import { randomUUID } from 'node:crypto'
import { constants, existsSync } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Turn, TurnFile } from '../../core/index.ts'
import type { Home } from './home.ts'
import { type Isolation, setprivArguments, uidOf } from './isolation.ts'
import { type Access, sessionConfig } from './session-config.ts'

/** The two folders of a session: what the agent works in, and what only the hub and the plugin read. */
export type SessionFolder = ReturnType<typeof sessionFolder>

/** Uploaded files lie here, below the workspace. */
const FILES = 'files'
const BASE_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export function sessionFolder(home: Home, isolation: Isolation, sessionId: string) {
  // Ids are the hub's own; a name that could leave the folder is a fault.
  if (!/^[\w-]+$/.test(sessionId)) throw new Error(`${sessionId} is not a session id`)
  const workspace = join(home.workspaces, sessionId)
  const own = join(home.sessions, sessionId)
  const settings = join(own, 'settings.json')
  const cancelled = join(own, 'cancelled')

  return {
    workspace,

    /**
     * Makes the workspace and tells the plugin what holds in this session from its next run on. `changed`: an instance that is open
     * for the workspace still has the settings of before.
     */
    async prepare(turn: Turn, access: Access): Promise<{ changed: boolean }> {
      const uid = isolation.kind === 'uids' ? uidOf(turn.agent.number) : null
      await mkdir(own, { recursive: true, mode: 0o700 })
      await makeOwned(workspace, uid)
      await makeOwned(join(workspace, '.tmp'), uid)
      const shell =
        isolation.kind === 'uids'
          ? await writeShell(own, isolation.setpriv, uidOf(turn.agent.number), workspace, turn.env)
          : null
      await writeFile(join(own, 'token'), access.token, { mode: 0o600 })
      const enter = isolation.kind === 'uids' ? [isolation.setpriv, ...setprivArguments(uidOf(turn.agent.number))] : []
      const content = JSON.stringify({ uid, enter, config: sessionConfig(turn, access, shell) })
      const before = await readFile(settings, 'utf8').catch(() => null)
      if (before === content) return { changed: false }
      await replaceFile(settings, content)
      return { changed: before !== null }
    },

    /** Puts uploaded files into the workspace, never through a link that the agent left there. Returns their paths, relative to it. */
    async addFiles(files: TurnFile[], agentNumber: number): Promise<string[]> {
      if (files.length === 0) return []
      const uid = isolation.kind === 'uids' ? uidOf(agentNumber) : null
      await makeOwned(join(workspace, FILES), uid)
      const folder = await open(
        join(workspace, FILES),
        constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW,
      )
      try {
        const paths: string[] = []
        for (const file of files) {
          const name = safeName(file.name)
          await addFile(folder, join(workspace, FILES), name, await file.read(), uid)
          paths.push(`${FILES}/${name}`)
        }
        return paths
      } finally {
        await folder.close()
      }
    },

    /** The token of the run at work, after the hub came back. */
    async renewToken(token: string | null): Promise<void> {
      if (token !== null) await replaceFile(join(own, 'token'), token)
    },

    /** Remembers that a run was told to stop, so that nothing sets it going again. */
    noteCancelled: (promptId: string) => replaceFile(cancelled, promptId),
    isCancelled: async (promptId: string): Promise<boolean> =>
      existsSync(cancelled) && (await readFile(cancelled, 'utf8')) === promptId,
  }
}

/** A folder that belongs to the agent. One that is a link or another's is no workspace: throws. */
async function makeOwned(folder: string, uid: number | null): Promise<void> {
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  const found = await lstat(folder)
  if (!found.isDirectory()) throw new Error(`${folder} is not a folder`)
  if (uid === null || found.uid === uid) return
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    await handle.chown(uid, uid)
  } finally {
    await handle.close()
  }
}

async function addFile(
  folder: FileHandle,
  path: string,
  name: string,
  content: Uint8Array,
  uid: number | null,
): Promise<void> {
  // Through the open folder, so that a link put in its place meanwhile leads nowhere.
  const target = join(process.platform === 'linux' ? `/proc/self/fd/${folder.fd}` : path, name)
  await rm(target, { force: true, recursive: true })
  const handle = await open(
    target,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    0o600,
  )
  try {
    await handle.writeFile(content)
    if (uid !== null) await handle.chown(uid, uid)
  } finally {
    await handle.close()
  }
}

/** A name without a path, control characters or a leading dot. */
function safeName(name: string): string {
  const plain = basename(name.replaceAll('\\', '/'))
    .replaceAll(/[\p{Cc}/]/gu, '_')
    .replace(/^\.+/, '_')
    .slice(0, 200)
  return plain === '' ? 'file' : plain
}

/**
 * The shell that OpenCode runs commands with: it takes nothing of the server's environment along and becomes the agent's user before
 * anything that the agent's settings say is looked at (a variable such as LD_PRELOAD would else act with the server's rights).
 * Named after the real shell, since OpenCode goes by the name.
 */
async function writeShell(
  own: string,
  setpriv: string,
  uid: number,
  workspace: string,
  env: Record<string, string>,
): Promise<string> {
  const real = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh'
  const variables = {
    PATH: BASE_PATH,
    HOME: workspace,
    TMPDIR: join(workspace, '.tmp'),
    USER: 'agent',
    LOGNAME: 'agent',
    SHELL: real,
    LANG: 'C.UTF-8',
    ...env,
  }
  const environment = join(own, 'environment.sh')
  // Read by the agent's user through a file descriptor: the folder is closed to it.
  await replaceFile(
    environment,
    `${Object.entries(variables)
      .map(([name, value]) => `export ${name}=${quote(value)}`)
      .join('\n')}\n`,
    0o444,
  )
  const shell = join(own, basename(real))
  const enter = `. /dev/fd/9; exec 9<&-; exec ${real} "$@"`
  await replaceFile(
    shell,
    `#!/bin/sh\nexec 9<${quote(environment)}\nexec /usr/bin/env -i ${quote(setpriv)} ${setprivArguments(uid).join(' ')} /bin/sh -c ${quote(enter)} ${real} "$@"\n`,
    0o700,
  )
  return shell
}

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

async function replaceFile(path: string, content: string, mode = 0o600): Promise<void> {
  const next = `${path}.${randomUUID()}.new`
  await rm(next, { force: true })
  await writeFile(next, content, { mode })
  await rename(next, path)
}
