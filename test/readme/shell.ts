import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Block } from './blocks.ts'

export type ReadmeShell = {
  /** Runs the block as a reader would, after the others, and throws with the output when it goes otherwise than the block says. */
  run(block: Block): Promise<string>
  /** Ends what runs in the background as Ctrl-C does; throws when that does not end it in 30 s (it is killed then). */
  close(): Promise<void>
}

/**
 * A reader's terminal in `folder`: variables that one block exports and folders that it enters hold for the next one. `translate`
 * changes the commands first (a port that is taken here).
 */
export function openReadmeShell(
  folder: string,
  env: NodeJS.ProcessEnv,
  translate = (commands: string) => commands,
): ReadmeShell {
  const memory = mkdtempSync(join(tmpdir(), 'signalbox-readme-shell-'))
  const state = join(memory, 'state')
  const background: ChildProcess[] = []

  function start(block: Block): { child: ChildProcess; output: () => string } {
    const script = [
      `[ ! -f '${state}' ] || . '${state}'`,
      'set -eo pipefail',
      // Variables set by the block are exported by the reader's shell only if the block says so.
      `trap 'code=$?; { export -p; printf "cd %q\\n" "$PWD"; } > "${state}"; exit $code' EXIT`,
      translate(block.commands),
    ].join('\n')
    const child = spawn('bash', ['-c', script], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    let text = ''
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8')
      stream.on('data', (chunk: string) => {
        text += chunk
      })
    }
    return { child, output: () => text }
  }

  return {
    async run(block) {
      const { child, output } = start(block)
      const fail = (what: string) =>
        new Error(`README line ${block.line}, "${block.name}": ${what}. It printed:\n${output()}`)
      const timer = AbortSignal.timeout(block.seconds * 1000)
      if (block.background) {
        background.push(child)
        await matches(child, output, block.background, timer).catch((error: Error) =>
          Promise.reject(fail(error.message)),
        )
      } else {
        // 'close' comes after the last output, 'exit' may come before it.
        const closed = await once(child, 'close', { signal: timer }).catch(() => null)
        if (closed === null) {
          killGroup(child, 'SIGKILL')
          throw fail(`not done in ${block.seconds} s`)
        }
        if (closed[0] !== block.exitCode) throw fail(`exit code ${closed[0]}, not ${block.exitCode}`)
      }
      for (const pattern of block.expect) if (!pattern.test(output())) throw fail(`nothing in it matches ${pattern}`)
      return output()
    },

    async close() {
      const stuck: number[] = []
      for (const child of background.reverse()) {
        if (child.exitCode !== null || child.signalCode !== null) continue
        const exit = once(child, 'exit')
        killGroup(child, 'SIGINT')
        const ended = await Promise.race([exit, once(AbortSignal.timeout(30_000), 'abort').then(() => null)])
        if (ended === null) {
          stuck.push(child.pid!)
          killGroup(child, 'SIGKILL')
          await exit
        }
      }
      rmSync(memory, { recursive: true, force: true })
      if (stuck.length > 0) throw new Error('Ctrl-C did not end what the README started in the background')
    },
  }
}

/** Resolves when the output matches, throws when the program ends before or the time is over. */
async function matches(child: ChildProcess, output: () => string, pattern: RegExp, timer: AbortSignal): Promise<void> {
  if (pattern.test(output())) return
  await new Promise<void>((resolve, reject) => {
    const look = () => {
      if (pattern.test(output())) resolve()
    }
    child.stdout!.on('data', look)
    child.stderr!.on('data', look)
    child.once('close', (code) => reject(new Error(`it ended with ${code} before its output matched ${pattern}`)))
    timer.addEventListener('abort', () => reject(new Error(`its output did not match ${pattern} in time`)), {
      once: true,
    })
  })
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    // The terminal sends Ctrl-C to all of a command's processes: its group.
    process.kill(-child.pid!, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
