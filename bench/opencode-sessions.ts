import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type InlineHarness, startInlineHarness } from '../test/inline/harness.ts'
import { type ScriptedModel, startScriptedModel } from '../test/inline/scripted-model.ts'
import { type Bench, type Line, quantile } from './line.ts'

const SESSIONS = [1, 10, 50, 100]
/** More processes than this are not started: the rest is a straight line through what was measured. */
const PROCESSES = [1, 5]

export const bench: Bench = { name: 'sessions', run: opencodeSessions }

/** Megabytes of all servers, and milliseconds to the first words of each session. */
type Measured = { memory: number; firstMs: number[] }

/** Memory and time to the first answer when so many sessions, each in a folder of its own, are asked at once. */
async function opencodeSessions(): Promise<Line[]> {
  const model = await startScriptedModel()
  try {
    const apart: Measured[] = []
    for (const count of PROCESSES) apart.push(await measure(model, count, 'a server each'))
    const shared: Measured[] = []
    for (const count of SESSIONS) shared.push(await measure(model, count, 'one server'))
    const perProcess = (apart.at(-1)!.memory - apart[0]!.memory) / (PROCESSES.at(-1)! - PROCESSES[0]!)
    const processesFor = (count: number) => apart[0]!.memory + perProcess * (count - 1)
    const marginal = (shared.at(-1)!.memory - shared[0]!.memory) / (SESSIONS.at(-1)! - SESSIONS[0]!)
    return [
      ...shared.flatMap(({ memory, firstMs }, index): Line[] => {
        const count = SESSIONS[index]!
        const measured = PROCESSES.indexOf(count)
        return [
          {
            name: `memory of ${count} sessions in one server`,
            value: memory,
            unit: 'MB',
            baseline: {
              name: measured < 0 ? `a server each (extrapolated from ${PROCESSES.join(' and ')})` : 'a server each',
              value: processesFor(count),
            },
            ratio: processesFor(count) / memory,
          },
          {
            name: `time to the first words of ${count} sessions asked at once, p50`,
            value: quantile(firstMs, 0.5),
            unit: 'ms',
            ...(measured < 0
              ? {}
              : {
                  baseline: { name: 'a server each, started for it', value: quantile(apart[measured]!.firstMs, 0.5) },
                }),
          },
        ]
      }),
      {
        name: 'memory of one more session, of 1 to 100',
        value: marginal,
        unit: 'MB',
        baseline: { name: 'one more server', value: perProcess },
        ratio: perProcess / marginal,
        goal: '<= 10',
      },
    ]
  } finally {
    await model.stop()
  }
}

/** One server runs before the clock starts, as it does in a hub; a server for each session is started for it. */
async function measure(model: ScriptedModel, count: number, where: 'one server' | 'a server each'): Promise<Measured> {
  const harnesses: InlineHarness[] = []
  try {
    let since = performance.now()
    for (let index = 0; index < (where === 'one server' ? 1 : count); index++)
      harnesses.push(await startInlineHarness({ model }))
    if (where === 'one server') {
      await harnesses[0]!.ready()
      since = performance.now()
    }
    const firstMs = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const harness = harnesses[index % harnesses.length]!
        const ref = await harness.start(harness.turn({ text: 'Hello, this is the answer.' }))
        let first: number | null = null
        for await (const event of harness.runtime.stream(ref, harness.io))
          if (event.type === 'text') first ??= performance.now() - since
        return first ?? performance.now() - since
      }),
    )
    const memory = harnesses.reduce((sum, { dataDir }) => sum + memoryOf(serverPid(dataDir)), 0)
    if (memory === 0) throw new Error('the servers were gone before they were measured')
    return { memory, firstMs }
  } finally {
    await Promise.all(harnesses.map((harness) => harness.stop()))
  }
}

const serverPid = (dataDir: string) =>
  (JSON.parse(readFileSync(join(dataDir, 'server.json'), 'utf8')) as { pid: number }).pid

/** Resident megabytes of a process and all that it started. What ended meanwhile has none. */
function memoryOf(pid: number): number {
  try {
    const own = Number(/^Rss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean),
    )
    return children.reduce((sum, child) => sum + memoryOf(Number(child)), own)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return 0
    throw error
  }
}
