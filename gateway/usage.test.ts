import { describe, expect, test } from 'vitest'
import { type CallFormat, usageReader } from './usage.ts'

const events = (...list: unknown[]) => list.map((data) => `data: ${JSON.stringify(data)}\n\n`).join('')

const chatStream = `${events(
  { choices: [{ index: 0, delta: { role: 'assistant', content: 'Grüße 🌍' } }] },
  { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: null },
  {
    choices: [],
    usage: {
      prompt_tokens: 1234,
      completion_tokens: 56,
      prompt_tokens_details: { cached_tokens: 200, cache_write_tokens: 10 },
    },
  },
)}data: [DONE]\n\n`

const named = (list: [string, object][]) =>
  list.map(([event, data]) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`).join('')

const messagesStream = named([
  [
    'message_start',
    {
      type: 'message_start',
      message: {
        usage: { input_tokens: 25, cache_creation_input_tokens: 100, cache_read_input_tokens: 1000, output_tokens: 1 },
      },
    },
  ],
  [
    'content_block_delta',
    { type: 'content_block_delta', delta: { type: 'text_delta', text: 'a text with "usage" in it 🌍' } },
  ],
  ['message_delta', { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 57 } }],
  ['message_stop', { type: 'message_stop' }],
])

const responsesStream = named([
  ['response.created', { type: 'response.created', response: { usage: null } }],
  ['response.output_text.delta', { type: 'response.output_text.delta', delta: 'Grüße 🌍' }],
  [
    'response.completed',
    {
      type: 'response.completed',
      response: { usage: { input_tokens: 300, input_tokens_details: { cached_tokens: 128 }, output_tokens: 40 } },
    },
  ],
])

const tokens = (input: number, output: number, cacheRead = 0, cacheWrite = 0) => ({
  input_tokens: input,
  output_tokens: output,
  cache_read_tokens: cacheRead,
  cache_write_tokens: cacheWrite,
})

const cases: {
  name: string
  format: CallFormat
  stream: boolean
  reply: string
  usage: ReturnType<typeof tokens> | null
}[] = [
  { name: 'a chat stream', format: 'chat', stream: true, reply: chatStream, usage: tokens(1234, 56, 200, 10) },
  {
    name: 'a chat stream with CRLF',
    format: 'chat',
    stream: true,
    reply: chatStream.replaceAll('\n', '\r\n'),
    usage: tokens(1234, 56, 200, 10),
  },
  {
    name: 'a chat stream without the last empty line',
    format: 'chat',
    stream: true,
    reply: events({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } }).trimEnd(),
    usage: tokens(3, 4),
  },
  {
    name: 'a chat stream that counts up',
    format: 'chat',
    stream: true,
    reply: events(
      { usage: { prompt_tokens: 9, completion_tokens: 1 } },
      { usage: { prompt_tokens: 9, completion_tokens: 2 } },
    ),
    usage: tokens(9, 2),
  },
  {
    name: 'a chat answer',
    format: 'chat',
    stream: false,
    reply: JSON.stringify({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 8 } }, null, 2),
    usage: tokens(7, 8),
  },
  {
    name: 'a Messages stream, where input comes without the cache',
    format: 'messages',
    stream: true,
    reply: messagesStream,
    usage: tokens(1125, 57, 1000, 100),
  },
  {
    name: 'a Messages answer',
    format: 'messages',
    stream: false,
    reply: JSON.stringify({ content: [], usage: { input_tokens: 5, output_tokens: 6, cache_read_input_tokens: 2 } }),
    usage: tokens(7, 6, 2),
  },
  {
    name: 'a Responses stream',
    format: 'responses',
    stream: true,
    reply: responsesStream,
    usage: tokens(300, 40, 128),
  },
  {
    name: 'a Responses answer',
    format: 'responses',
    stream: false,
    reply: JSON.stringify({ usage: { input_tokens: 1, output_tokens: 2 } }),
    usage: tokens(1, 2),
  },
  { name: 'an answer that tells none', format: 'chat', stream: false, reply: '{"choices":[]}', usage: null },
  { name: 'an answer that is no JSON', format: 'chat', stream: false, reply: 'not "usage" at all', usage: null },
  { name: 'an empty answer', format: 'messages', stream: true, reply: '', usage: null },
  {
    name: 'figures that are none',
    format: 'chat',
    stream: false,
    reply: '{"usage":{"prompt_tokens":-4,"completion_tokens":"9"}}',
    usage: null,
  },
]

function read(format: CallFormat, stream: boolean, reply: Uint8Array, chunkBytes: number) {
  const reader = usageReader(format, stream)
  for (let from = 0; from < reply.length; from += chunkBytes) reader.push(reply.subarray(from, from + chunkBytes))
  return reader.end()
}

describe.each(cases)('usage of $name', ({ format, stream, reply, usage }) => {
  // 1 cuts inside every line, event and character.
  test.each([1, 2, 3, 7, 64, 1_000_000])('is read from chunks of %i bytes', (chunkBytes) => {
    expect(read(format, stream, Buffer.from(reply), chunkBytes)).toEqual(usage)
  })
})

test('what a cut-off Messages stream told before is known', () => {
  const cut = messagesStream.slice(0, messagesStream.indexOf('event: message_delta') + 30)
  expect(read('messages', true, Buffer.from(cut), 11)).toEqual(tokens(1125, 1, 1000, 100))
})

test('an event too large to look at makes usage unknown, not an error', () => {
  const reader = usageReader('chat', true)
  const piece = Buffer.alloc(1024 * 1024, 'x')
  reader.push(Buffer.from('data: '))
  for (let mebibytes = 0; mebibytes < 34; mebibytes++) reader.push(piece)
  reader.push(Buffer.from(`\n\n${chatStream}`))
  expect(reader.end()).toBeNull()
})
