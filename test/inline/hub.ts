/** A hub with nothing but the inline harness, to be killed: prints the harness's process id and stays. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startInlineHarness } from './harness.ts'

const harness = await startInlineHarness({ timings: { hubTimeoutMs: 1_000, readyMs: 10_000 } })
await harness.run(harness.turn('hello'))
const { pid } = JSON.parse(readFileSync(join(harness.dataDir, 'server.json'), 'utf8')) as { pid: number }
console.log(JSON.stringify({ pid }))
setInterval(() => {}, 1_000)
