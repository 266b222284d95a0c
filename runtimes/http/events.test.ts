import { describe, expect, test } from 'vitest'
import { MAX_SAID_CHARS, nothingTold, tell, toRuntimeEvent, toSnapshot } from './events.ts'

const snapshotOf = (...events: unknown[]) => {
  const told = nothingTold()
  for (const event of events) tell(told, event)
  return toSnapshot(told)
}
const text = (message_id: string, delta: string) => ({ type: 'text', message_id, delta })
const interrupt = {
  id: 'i1',
  kind: 'permission',
  message: 'May I?',
  options: [{ id: 'yes', label: 'Yes', kind: 'allow_once' }],
}

describe('what follows from the events of a run', () => {
  test.each<[string, unknown[], unknown]>([
    ['nothing yet: it is at work', [], { status: 'running' }],
    ['text without an end: it is at work', [text('m', 'hi')], { status: 'running' }],
    [
      'the last message is the output',
      [text('a', 'one'), text('b', 'two'), { type: 'finished', status: 'succeeded' }],
      { status: 'succeeded', output: 'two' },
    ],
    [
      'a snapshot wins over deltas',
      [
        text('a', 'onn'),
        { type: 'text_snapshot', message_id: 'a', text: 'one' },
        text('a', '!'),
        { type: 'finished', status: 'succeeded' },
      ],
      { status: 'succeeded', output: 'one!' },
    ],
    [
      'the output of the end wins',
      [text('a', 'one'), { type: 'finished', status: 'succeeded', output: 'all' }],
      { status: 'succeeded', output: 'all' },
    ],
    [
      'a failure without a reason has one',
      [{ type: 'finished', status: 'failed' }],
      { status: 'failed', error: { code: 'runtime_failed', message: 'The agent failed and gave no reason.' } },
    ],
    [
      'an error beside a success is no failure',
      [{ type: 'finished', status: 'succeeded', output: 'x', error: { message: 'odd' } }],
      { status: 'succeeded', output: 'x' },
    ],
    [
      'what comes after the end changes nothing',
      [{ type: 'finished', status: 'cancelled' }, text('a', 'late'), { type: 'finished', status: 'succeeded' }],
      { status: 'cancelled' },
    ],
    ['an end of an unknown kind is none', [{ type: 'finished', status: 'done' }], { status: 'running' }],
    ['an interrupt waits', [{ type: 'interrupt', interrupt }], { status: 'awaiting_input', interrupts: [interrupt] }],
    [
      'an interrupt that is resolved does not',
      [
        { type: 'interrupt', interrupt },
        { type: 'interrupt_resolved', id: 'i1' },
      ],
      { status: 'running' },
    ],
    [
      'usage is the last that was told',
      [
        { type: 'usage', usage: { input_tokens: 1 } },
        { type: 'usage', usage: { input_tokens: 3, cost_micro_usd: 7 } },
      ],
      { status: 'running', usage: { input_tokens: 3, cost_micro_usd: 7, cost_kind: 'charged' } },
    ],
    ['usage of a wrong shape is none', [{ type: 'usage', usage: { input_tokens: -1 } }], { status: 'running' }],
  ])('%s', (_, events, expected) => {
    expect(snapshotOf(...events)).toEqual(expected)
  })

  test('of endless text only so much is kept', () => {
    const told = nothingTold()
    const piece = 'x'.repeat(1024 * 1024)
    for (let i = 0; i < 20; i++) tell(told, text(`m${i >> 1}`, piece))
    for (let i = 0; i < 20; i++) tell(told, text('last', piece))
    expect([...told.messages.values()].join('').length).toBe(MAX_SAID_CHARS)
    expect([...told.messages.keys()]).toEqual(['last'])
  })
})

test.each<unknown>([
  { type: 'weather' },
  { type: 'text' },
  { type: 'text', message_id: '', delta: 'x' },
  'plain text',
  null,
  7,
  [],
])('%j is kept as it is, and never thrown', (value) => {
  expect(toRuntimeEvent(value, '4')).toEqual({ cursor: '4', type: 'raw', source: 'http', event: value })
})
