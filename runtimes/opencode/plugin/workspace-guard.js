/** Where tools may read and write: the workspace as it really is, behind all links. */
import fs from 'node:fs'
import path from 'node:path'

/** Files that OpenCode adds to what is read, from the folders above a file. */
const INSTRUCTIONS = ['AGENTS.md', 'CLAUDE.md', 'CONTEXT.md']

/**
 * Each check returns the path without links in it, for the tool to use, and throws for what leads out of the workspace. What is put
 * there between check and use is not seen: see docs/inline-harness.md.
 */
export function workspaceGuard(directory, uid) {
  const root = fs.realpathSync(directory)
  /** What was written and may still belong to the server. */
  const written = new Set()

  function inside(name) {
    const asked = path.resolve(directory, String(name))
    const { existing, rest } = deepestExisting(asked)
    const real = fs.realpathSync(existing)
    const target = rest === '' ? real : path.join(real, rest)
    if (target !== root && !target.startsWith(root + path.sep))
      throw new Error(`${name} is outside of the workspace ${directory}.`)
    return target
  }

  /** A pipe or a device would hold the server up; a second name of another's file would open that file to the agent. */
  function plain(target) {
    const found = fs.lstatSync(target, { throwIfNoEntry: false })
    if (!found) return target
    if (!found.isFile() && !found.isDirectory()) throw new Error(`${target} is neither a file nor a folder.`)
    if (uid !== null && found.isFile() && found.nlink > 1 && found.uid !== uid)
      throw new Error(`${target} is a second name of a file that is not the agent's.`)
    return target
  }

  return {
    inside,
    readable(name) {
      const target = plain(inside(name))
      for (let folder = path.dirname(target); folder.startsWith(root + path.sep); folder = path.dirname(folder)) {
        for (const instructions of INSTRUCTIONS) plain(inside(path.join(folder, instructions)))
      }
      return target
    },
    writable(name) {
      const target = plain(inside(name))
      if (target === root) throw new Error(`${name} is the workspace itself.`)
      if (uid !== null) written.add(target)
      return target
    },
    /** Gives what the last tools wrote, with the folders that they made for it, to the agent's user. */
    handOver() {
      for (const target of written) {
        const way = path.relative(root, target).split(path.sep)
        for (let depth = 1; depth <= way.length; depth++) giveTo(uid, path.join(root, ...way.slice(0, depth)))
      }
      written.clear()
    },
  }
}

/** The longest part of a path that is there, and the rest. A link that leads nowhere is there. */
function deepestExisting(asked) {
  for (
    let existing = asked, rest = '';
    ;
    rest = path.join(path.basename(existing), rest), existing = path.dirname(existing)
  ) {
    if (fs.lstatSync(existing, { throwIfNoEntry: false })) return { existing, rest }
  }
}

/** Through an open file whose place is looked up afterwards: a link put in its way changes the owner of nothing else. */
function giveTo(uid, target) {
  let handle
  try {
    handle = fs.openSync(target, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK)
  } catch {
    // Deleted, or a link by now: then it is not what was written.
    return
  }
  try {
    if (fs.fstatSync(handle).uid !== uid && fs.readlinkSync(`/proc/self/fd/${handle}`) === target)
      fs.fchownSync(handle, uid, uid)
  } finally {
    fs.closeSync(handle)
  }
}

/** All paths that a patch names, also those inside of its text: one too many is refused rather than one too few. */
export function patchPaths(text) {
  const names = []
  for (const line of text.split('\n')) {
    const name = /^\*\*\* (?:Add File|Delete File|Update File|Move to):(.*)$/.exec(line.replace(/\r$/, ''))?.[1]?.trim()
    if (name) names.push(name)
  }
  return names
}
