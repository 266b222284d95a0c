import { describe, expect, test } from 'vitest'
import { toCallBody } from './request-body.ts'

const scrub = (text: string) => text.replaceAll('hidden', '[REDACTED:x]')
const sent = (body: object, api: 'chat' | 'responses') => {
  const call = toCallBody(Buffer.from(JSON.stringify(body)), { format: 'chat', provider: { api }, scrub })
  return JSON.parse(String(call!.bytes)) as unknown
}
const tools = [{ type: 'function', function: { name: 'read' } }]

describe("Chat Completions of OpenAI's own API", () => {
  test.each([
    [
      { model: 'gpt-5.5', max_tokens: 9 },
      { model: 'gpt-5.5', max_completion_tokens: 9 },
    ],
    [
      { model: 'gpt-5.5', max_tokens: 9, max_completion_tokens: 8 },
      { model: 'gpt-5.5', max_tokens: 9, max_completion_tokens: 8 },
    ],
    [
      { model: 'gpt-5.5', tools },
      { model: 'gpt-5.5', tools, reasoning_effort: 'none' },
    ],
    [
      { model: 'gpt-5.5-mini', tools },
      { model: 'gpt-5.5-mini', tools, reasoning_effort: 'none' },
    ],
    [
      { model: 'gpt-5.5', tools, reasoning_effort: 'low' },
      { model: 'gpt-5.5', tools, reasoning_effort: 'low' },
    ],
    [
      { model: 'gpt-5.5', tools: [] },
      { model: 'gpt-5.5', tools: [] },
    ],
    [
      { model: 'gpt-4o', tools },
      { model: 'gpt-4o', tools },
    ],
    [
      { model: 'gpt-5', tools },
      { model: 'gpt-5', tools },
    ],
  ])('%j goes out as %j', (body, expected) => {
    expect(sent(body, 'responses')).toEqual(expected)
  })

  test('compatible servers get the same call as it is', () => {
    const body = { model: 'gpt-5.5', max_tokens: 9, tools }
    expect(sent(body, 'chat')).toEqual(body)
  })
})

test('keys, numbers and depth stay as they are when a string is replaced', () => {
  const text = '{"model":"m","a":[{"b":{"__proto__":"hidden","c":1.5,"d":null,"hidden":true}}]}'
  const call = toCallBody(Buffer.from(text), { format: 'responses', provider: { api: 'responses' }, scrub })
  expect(String(call!.bytes)).toBe(
    '{"model":"m","a":[{"b":{"__proto__":"[REDACTED:x]","c":1.5,"d":null,"hidden":true}}]}',
  )
})
