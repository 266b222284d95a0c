/** Run as an ordinary user: prints what the inline harness does there, as one line of JSON. */
import { readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Turn } from '../../core/index.ts'
import { startInlineHarness } from './harness.ts'

const harness = await startInlineHarness()
try {
  const use = async (given: Turn) => {
    const { events } = await harness.run(given)
    return events.findLast((event) => event.type === 'tool_result')?.content
  }
  const bash = await use(harness.turn({ tools: [{ name: 'bash', args: { command: 'id', description: 'x' } }] }))
  const { status, message, remedy } = await harness.runtime.health(harness.io)
  const tools = harness.model.calls[0]!.tools.map((tool) => tool.function.name).sort()
  const asked = await harness.start(harness.turn('x', { permissions: { bash: 'ask' } })).then(
    () => null,
    (error: Error) => error.message,
  )
  const given = harness.turn({
    tools: [
      { name: 'write', args: { filePath: 'a.txt', content: 'inside' } },
      { name: 'glob', args: { pattern: '*.txt' } },
    ],
  })
  const found = await use(given)
  const workspace = harness.workspace(given)
  symlinkSync('/etc', join(workspace, 'etc'))
  const outside = await use({
    ...harness.turn({ tools: [{ name: 'read', args: { filePath: 'etc/hostname' } }] }),
    sessionId: given.sessionId,
  })
  const written = readFileSync(join(workspace, 'a.txt'), 'utf8')
  console.log(JSON.stringify({ health: { status, message, remedy }, tools, bash, asked, written, found, outside }))
} finally {
  await harness.stop()
}
