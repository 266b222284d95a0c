import { expect, test } from 'vitest'
import type { Run, RunEvent } from '../core/index.ts'
import { recordingTerminal } from '../test/recording-terminal.ts'
import { eventPrinter } from './event-printer.ts'

const text = (delta: string): Partial<RunEvent> => ({ type: 'TEXT_MESSAGE_CONTENT', messageId: 'm1', delta })
const events = (...list: Partial<RunEvent>[]): RunEvent[] =>
  list.map((event, index) => ({ type: '', seq: index + 1, at: '2026-01-01T00:00:00Z', ...event }))

const conversation = events(
  { type: 'RUN_STARTED' },
  { type: 'REASONING_MESSAGE_CONTENT', delta: 'Let me look.' },
  { type: 'TOOL_CALL_START', toolCallId: 't1', toolCallName: 'read' },
  { type: 'TOOL_CALL_ARGS', toolCallId: 't1', delta: '{"filePath":' },
  { type: 'TOOL_CALL_ARGS', toolCallId: 't1', delta: '"notes.md"}' },
  { type: 'TOOL_CALL_END', toolCallId: 't1' },
  { type: 'TOOL_CALL_RESULT', toolCallId: 't1', content: '\n# Notes\nbuy milk\nand bread\n' },
  { type: 'TEXT_MESSAGE_START', messageId: 'm1' },
  text('You want '),
  text('milk.'),
  { type: 'TEXT_MESSAGE_END', messageId: 'm1' },
  { type: 'TEXT_MESSAGE_START', messageId: 'm2' },
  text('And bread.'),
  { type: 'CUSTOM', name: 'progress', value: { message: 'tidying up' } },
  { type: 'SOMETHING_NEW', delta: 'not shown' },
  { type: 'RUN_FINISHED' },
)

const run: Run = {
  id: 'run_1',
  session_id: 'ses_1',
  agent: 'welcome',
  agent_version: 1,
  runtime: 'inline',
  status: 'succeeded',
  prompt: 'x',
  output: 'x',
  error: null,
  usage: {
    input_tokens: 12_000,
    output_tokens: 345,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    model_calls: 2,
    cost_micro_usd: 12_345,
    cost_kind: 'list',
  },
  pending: [],
  last_seq: 5,
  redactions: 0,
  stop_requested_at: null,
  created_by: 'admin',
  created_at: '2026-01-01T00:00:00Z',
  started_at: '2026-01-01T00:00:00Z',
  finished_at: '2026-01-01T00:00:02.500Z',
}

test('a person sees thoughts, tools and text in order, in blocks', () => {
  const shown = recordingTerminal({ isTty: true })
  const printer = eventPrinter(shown.terminal)
  for (const event of conversation) printer.print(event)
  printer.summary(run, 'http://hub/runs/run_1')
  expect(shown.both()).toBe(`Let me look.

▸ read notes.md
  # Notes (+2 lines)

You want milk.

And bread.

· tidying up

✓ succeeded · 2.5 s · 12,000 tokens in, 345 out · $0.0123
  http://hub/runs/run_1
  session ses_1
`)
})

test('a pipe gets the answer alone, in whole lines', () => {
  const shown = recordingTerminal()
  const printer = eventPrinter(shown.terminal)
  for (const event of conversation) printer.print(event)
  printer.summary(run, 'http://hub/runs/run_1')
  expect(shown.out()).toBe('You want milk.\n\nAnd bread.\n')
  expect(shown.err()).toContain('▸ read notes.md')
})

test.each([
  ['{"a":"x","b":[1,2]}', 'a=x, b=[1,2]'],
  ['{"command":"ls\\n-l"}', 'ls -l'],
  ['not json', 'not json'],
  ['', ''],
  [`{"text":"${'x'.repeat(200)}"}`, `${'x'.repeat(72 - 1)}…`],
])('arguments %s are read at a glance', (delta, expected) => {
  const shown = recordingTerminal()
  const printer = eventPrinter(shown.terminal)
  for (const event of events(
    { type: 'TOOL_CALL_START', toolCallId: 't', toolCallName: 'bash' },
    { type: 'TOOL_CALL_ARGS', toolCallId: 't', delta },
    { type: 'TOOL_CALL_END', toolCallId: 't' },
  )) {
    printer.print(event)
  }
  expect(shown.err()).toBe(`▸ bash ${expected}\n`)
})

test('an agent cannot steer the terminal, not even with a sequence cut in two', () => {
  const shown = recordingTerminal({ isTty: true })
  const printer = eventPrinter(shown.terminal)
  for (const event of events(text('safe\u001b'), text('[2J\u009b31m\r'), {
    type: 'TOOL_CALL_RESULT',
    content: '\u001b]52;c;eA==\u0007x',
  }))
    printer.print(event)
  expect(shown.both().replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
})

test('a failed run says why and what to do; a run without a price says no cost', () => {
  const shown = recordingTerminal()
  const error = { code: 'model_failed', message: 'The key is wrong.', hint: 'Check the key.' }
  eventPrinter(shown.terminal).summary(
    { ...run, status: 'failed', error, usage: { ...run.usage, cost_kind: 'none' } },
    'u',
  )
  expect(shown.err()).toBe(`✗ failed · 2.5 s · 12,000 tokens in, 345 out
  The key is wrong. (model_failed)
  Check the key.
  u
  session ses_1
`)
})
