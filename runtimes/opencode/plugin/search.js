/** The tools `glob` and `grep`, done by `find` and `grep` as the agent's user: links lead only where that user may go. */
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const MAX_RESULTS = 100
const MAX_LINE = 2_000
const ENVIRONMENT = { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' }
/** The best that the `grep` of this machine can do: Perl's expressions, then extended ones; names apart by NUL, then by colon. */
const GREP_MODES = [
  { flags: ['-P', '--null'], separator: '\0', syntax: 'Perl-compatible' },
  { flags: ['-E', '--null'], separator: '\0', syntax: 'extended' },
  { flags: ['-E'], separator: ':', syntax: 'extended' },
]

/** `enter`: the command that becomes the agent's user, before the one to run; empty where there is none. */
export function findFiles(enter) {
  return {
    description: [
      'Finds files by name.',
      '- Takes glob patterns such as "**/*.js" or "src/**/*.ts"; one without a slash matches at any depth',
      `- Returns at most ${MAX_RESULTS} paths; .git and node_modules are left out unless the pattern names them`,
    ].join('\n'),
    args: {
      pattern: { type: 'string', description: 'The glob pattern to match files against' },
      path: { type: 'string', description: 'The folder to search in; "." for the working directory' },
    },
    async execute({ pattern, path: folder }, context) {
      await context.ask({ permission: 'glob', patterns: [pattern], always: ['*'], metadata: { pattern, path: folder } })
      const matches = matcher(pattern, folder)
      const found = []
      const skipped = ['.git', 'node_modules']
        .filter((name) => !pattern.includes(name))
        .flatMap((name) => ['-name', name, '-prune', '-o'])
      await run(enter, 'find', ['.', ...skipped, '-type', 'f', '-print0'], folder, '\0', context.abort, (name) => {
        if (matches(name.slice(2))) found.push(path.join(folder, name))
        return found.length < MAX_RESULTS
      })
      const cut =
        found.length >= MAX_RESULTS
          ? [`(Only the first ${MAX_RESULTS} are shown. Use a narrower path or pattern.)`]
          : []
      return {
        title: pattern,
        metadata: { count: found.length, truncated: cut.length > 0 },
        output:
          found.length === 0 ? 'No files found' : [...found.sort((a, b) => a.localeCompare(b)), ...cut].join('\n'),
      }
    },
  }
}

export function searchFiles(enter) {
  const mode =
    GREP_MODES.find(
      ({ flags }) => spawnSync('grep', [...flags, '-e', 'x', '/dev/null'], { env: ENVIRONMENT }).status === 1,
    ) ?? GREP_MODES[2]
  return {
    description: [
      'Searches the content of files.',
      `- Takes ${mode.syntax} regular expressions, such as "log.*Error"`,
      '- Narrow it to some files with include, such as "*.js" or "*.{ts,tsx}"',
      `- Returns at most ${MAX_RESULTS} lines with path and line number; binary files, .git and node_modules are left out`,
    ].join('\n'),
    args: {
      pattern: { type: 'string', description: 'The regular expression to search for' },
      path: { type: 'string', description: 'The folder or file to search in; "." for the working directory' },
      include: { type: 'string', description: 'Glob pattern of the files to search; "*" for all' },
    },
    async execute({ pattern, path: folder, include }, context) {
      await context.ask({
        permission: 'grep',
        patterns: [pattern],
        always: ['*'],
        metadata: { pattern, path: folder, include },
      })
      const matches = include ? matcher(include, folder) : () => true
      const lines = []
      let last = ''
      let count = 0
      const isFile = !fs.statSync(folder).isDirectory()
      const at = isFile ? path.dirname(folder) : folder
      const what = isFile
        ? [`./${path.basename(folder)}`]
        : ['-r', '--exclude-dir=.git', '--exclude-dir=node_modules', '.']
      const failed = await run(
        enter,
        'grep',
        [...mode.flags, '-s', '-H', '-n', '-I', '-e', pattern, ...what],
        at,
        '\n',
        context.abort,
        (line) => {
          const hit = parseHit(line, mode.separator)
          if (!hit || !matches(hit.name.slice(2))) return true
          if (hit.name !== last) lines.push(...(last === '' ? [] : ['']), `${path.join(at, hit.name)}:`)
          last = hit.name
          lines.push(`  Line ${hit.line}: ${hit.text.slice(0, MAX_LINE)}`)
          return ++count < MAX_RESULTS
        },
      )
      if (failed && count === 0) throw new Error(failed)
      const cut =
        count >= MAX_RESULTS ? ['', `(Only the first ${MAX_RESULTS} are shown. Use a narrower path or pattern.)`] : []
      return {
        title: pattern,
        metadata: { matches: count, truncated: cut.length > 0 },
        output: count === 0 ? 'No files found' : [`Found ${count} matches`, ...lines, ...cut].join('\n'),
      }
    },
  }
}

/** A pattern without a slash matches at any depth, an absolute one below the folder. */
function matcher(pattern, folder) {
  const relative = path.isAbsolute(pattern) ? path.relative(folder, pattern) : pattern.replace(/^\.\//, '')
  const glob = new Bun.Glob(relative.includes('/') ? relative : `**/${relative}`)
  return (name) => glob.match(name)
}

function parseHit(line, separator) {
  const end = line.indexOf(separator)
  const colon = line.indexOf(':', end + 1)
  if (end < 0 || colon < 0) return null
  return { name: line.slice(0, end), line: line.slice(end + 1, colon), text: line.slice(colon + 1) }
}

/**
 * Gives each piece of the output to `take` until that says false. Resolves with what the program complained about when it failed,
 * else with nothing.
 */
function run(enter, program, args, cwd, separator, abort, take) {
  const [command, ...all] = [...enter, program, ...args]
  return new Promise((resolve, reject) => {
    const child = spawn(command, all, { cwd, env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'], signal: abort })
    let rest = ''
    let complaint = ''
    let enough = false
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (text) => {
      if (enough) return
      const pieces = (rest + text).split(separator)
      rest = pieces.pop()
      for (const piece of pieces) {
        if (take(piece)) continue
        enough = true
        child.kill('SIGKILL')
        return
      }
    })
    child.stderr.setEncoding('utf8')
    child.stderr.on('data', (text) => {
      if (complaint.length < 1_000) complaint += text
    })
    child.once('error', reject)
    child.once('close', (code) => resolve(!enough && code !== 0 && complaint !== '' ? complaint.trim() : null))
  })
}
