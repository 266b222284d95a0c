/**
 * The part of the inline runtime that OpenCode loads into its own process, once for each folder that it opens. It puts the hub's
 * settings for that folder into OpenCode's configuration, the session's token on model calls, holds tools to the workspace, hands
 * what they write to the agent's user, and ends the server when its hub is gone. Plain JavaScript without packages: anything else
 * would be fetched from npm at start.
 */
import fs from 'node:fs'
import path from 'node:path'
import { findFiles, searchFiles } from './search.js'
import { patchPaths, workspaceGuard } from './workspace-guard.js'

const home = process.env.SIGNALBOX_HOME
const workspaces = process.env.SIGNALBOX_WORKSPACES

export default async ({ directory }) => {
  watchHub(process.env.SIGNALBOX_HEARTBEAT)
  const settings = readSettings(directory)
  // A folder without settings is none of ours to work in: nothing is configured and every tool is refused.
  if (!settings) return { 'tool.execute.before': async () => refuse('This folder is not a session of the hub.') }

  const { uid, enter, config, own } = settings
  const guard = workspaceGuard(directory, uid)

  return {
    config: async (all) => {
      Object.assign(all, config)
    },
    'chat.headers': async (_call, output) => {
      output.headers.authorization = `Bearer ${fs.readFileSync(path.join(own, 'token'), 'utf8')}`
    },
    'tool.definition': async ({ toolID }, output) => {
      // OpenCode offers its own temporary folder, which the agent's user cannot reach.
      if (toolID === 'bash')
        output.description = output.description.replace(
          /Use `[^`]*` for temporary work[^\n]*/,
          `Use \`${directory}/.tmp\` for temporary work.`,
        )
    },
    'tool.execute.before': async ({ tool }, { args }) => {
      guard.handOver()
      switch (tool) {
        case 'read':
          args.filePath = guard.readable(args.filePath)
          break
        case 'write':
        case 'edit':
          args.filePath = guard.writable(args.filePath)
          break
        case 'apply_patch':
          for (const name of patchPaths(String(args.patchText ?? ''))) guard.writable(name)
          break
        case 'glob':
        case 'grep':
          args.path = guard.inside(args.path || '.')
          break
        case 'bash':
          if (!config.shell) refuse('Commands are switched off on this hub.')
          if (args.workdir) args.workdir = guard.inside(args.workdir)
          break
        case 'webfetch':
        case 'todowrite':
        case 'question':
        case 'invalid':
          break
        default:
          refuse(`The tool ${tool} is not held to the workspace, so it is switched off.`)
      }
    },
    'tool.execute.after': async () => guard.handOver(),
    // OpenCode's own need ripgrep, which it would download, and follow the server's rights instead of the agent's.
    tool: { glob: findFiles(enter), grep: searchFiles(enter) },
  }
}

function readSettings(directory) {
  if (path.dirname(directory) !== workspaces) return null
  const own = path.join(home, 'sessions', path.basename(directory))
  try {
    return { ...JSON.parse(fs.readFileSync(path.join(own, 'settings.json'), 'utf8')), own }
  } catch {
    return null
  }
}

function refuse(reason) {
  throw new Error(reason)
}

/** Ends this server when no hub has shown itself for as long as the heartbeat file says. One watch for all folders. */
function watchHub(heartbeat) {
  const key = Symbol.for('signalbox.hub-watch')
  if (globalThis[key]) return
  const timeoutMs = Number(fs.readFileSync(heartbeat, 'utf8'))
  let stale = 0
  // From here on the hub's guard over the start is not needed.
  fs.writeFileSync(`${heartbeat}.ready`, '')
  globalThis[key] = setInterval(
    () => {
      let at = 0
      try {
        at = fs.statSync(heartbeat).mtimeMs
      } catch {
        // The hub has put another server in this one's place.
      }
      stale = Date.now() - at > timeoutMs ? stale + 1 : 0
      // Twice: after a sleep of the computer the hub wakes with us and needs a moment.
      if (stale >= 2) process.exit(0)
    },
    Math.min(6_000, timeoutMs / 4),
  )
}
