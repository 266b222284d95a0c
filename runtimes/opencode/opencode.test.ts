import { afterAll, beforeAll, expect, test } from 'vitest'
import { type InlineHarness, startInlineHarness } from '../../test/inline/harness.ts'

let harness: InlineHarness
beforeAll(async () => {
  harness = await startInlineHarness()
})
afterAll(() => harness.stop())

test('a prompt is answered, word by word, with its usage', async () => {
  const { events, snapshot } = await harness.run(harness.turn({ text: 'Hello there, this is the answer.' }))
  expect(snapshot).toMatchObject({
    status: 'succeeded',
    output: 'Hello there, this is the answer.',
    usage: { input_tokens: 100, output_tokens: 10, model_calls: 1 },
  })
  const text = events.flatMap((event) => (event.type === 'text' ? [event.delta] : []))
  expect(text.length).toBeGreaterThan(1)
  expect(text.join('')).toBe('Hello there, this is the answer.')
})

test('tools run and their results are told', async () => {
  const given = harness.turn({
    tools: [
      { name: 'write', args: { filePath: 'a.txt', content: 'one two' } },
      { name: 'bash', args: { command: 'cat a.txt; id -u', description: 'look' } },
      { name: 'glob', args: { pattern: '*.txt' } },
      { name: 'grep', args: { pattern: 't.o', path: '.' } },
    ],
  })
  const { events, snapshot } = await harness.run(given)
  console.log(JSON.stringify(events, null, 1), snapshot)
})
