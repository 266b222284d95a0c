import { expect, test } from 'vitest'
import { merge } from './live.tsx'
import { type Change, createTranscript } from './transcript.ts'

const log = [
  { type: 'RUN_STARTED', threadId: 'ses_1', runId: 'run_1' },
  { type: 'TEXT_MESSAGE_START', messageId: 'm1', role: 'assistant' },
  { type: 'TEXT_MESSAGE_CONTENT', messageId: 'm1', delta: 'I look ' },
  { type: 'TEXT_MESSAGE_CONTENT', messageId: 'm1', delta: 'at it.' },
  { type: 'TEXT_MESSAGE_END', messageId: 'm1' },
  { type: 'REASONING_MESSAGE_CONTENT', messageId: 'r1', delta: 'Hm.' },
  { type: 'TOOL_CALL_START', toolCallId: 't1', toolCallName: 'read' },
  { type: 'TOOL_CALL_ARGS', toolCallId: 't1', delta: '{"path":"a.txt"}' },
  { type: 'TOOL_CALL_END', toolCallId: 't1' },
  {
    type: 'TOOL_CALL_RESULT',
    messageId: 't1:result',
    toolCallId: 't1',
    content: 'no such file',
    metadata: { is_error: true },
  },
  { type: 'CUSTOM', name: 'progress', value: { message: 'trying again' } },
  { type: 'CUSTOM', name: 'usage', value: { input_tokens: 3 } },
  { type: 'SOMETHING_NEW', whatever: true },
  { type: 'RUN_FINISHED', outcome: { type: 'success' } },
].map((event, index) => ({ seq: index + 1, at: '2026-01-01T00:00:00.000Z', ...event }))

test('a log is read as what was said, thought and done', () => {
  const transcript = createTranscript()
  for (const event of log) transcript.apply(event)
  expect(transcript.blocks).toEqual([
    { kind: 'text', text: 'I look at it.' },
    { kind: 'reasoning', text: 'Hm.' },
    { kind: 'tool', name: 'read', arguments: '{"path":"a.txt"}', result: 'no such file', failed: true },
    { kind: 'note', text: 'trying again' },
  ])
})

test('the changes from any point on make the same page', () => {
  for (let after = 0; after <= log.length; after++) {
    const reader = createTranscript()
    for (const event of log.slice(0, after)) reader.apply(event)
    const page = structuredClone(reader.blocks)
    const changes = merge(log.slice(after).flatMap((event) => reader.apply(event)))
    expect(replay(page, changes)).toEqual(reader.blocks)
  }
})

test('text that came piece by piece is one change', () => {
  const reader = createTranscript()
  for (const event of log.slice(0, 3)) reader.apply(event)
  const pieces = ['a', 'b', 'c'].map((delta, index) => ({
    seq: 10 + index,
    at: '',
    type: 'TEXT_MESSAGE_CONTENT',
    messageId: 'm1',
    delta,
  }))
  expect(merge(pieces.flatMap((event) => reader.apply(event)))).toEqual([{ type: 'appended', at: 0, text: 'abc' }])
})

/** What a browser does with the changes. */
function replay(page: ReturnType<typeof createTranscript>['blocks'], changes: Change[]) {
  for (const change of structuredClone(changes)) {
    if (change.type === 'appended') {
      const block = page[change.at]
      if (block?.kind !== 'text' && block?.kind !== 'reasoning') throw new Error('text was added to what has none')
      block.text += change.text
    } else page[change.at] = change.block
  }
  return page
}
