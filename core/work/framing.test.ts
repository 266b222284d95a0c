import { describe, expect, test } from 'vitest'
import { createScrubber } from '../secrets/scrubber.ts'
import type { RunEvent } from '../shapes.ts'
import { type FramedEvent, framing } from './framing.ts'
import type { NewEvent } from './log.ts'

const stored = (events: NewEvent[], from = 1): RunEvent[] =>
  events.map(({ at, ...event }, index) => ({ ...event, at: at.toISOString(), seq: from + index }))
const texts = (events: { type: string; messageId?: unknown; delta?: unknown }[]): Record<string, string> => {
  const said: Record<string, string> = {}
  for (const { type, messageId, delta } of events)
    if (type === 'TEXT_MESSAGE_CONTENT') said[String(messageId)] = (said[String(messageId)] ?? '') + String(delta)
  return said
}
const tell = (facts: FramedEvent[], log: RunEvent[] = [], covered = 0) => {
  const frames = framing(createScrubber(), log, covered)
  const events = facts.flatMap((fact) => frames.frame(fact))
  return { frames, events, all: () => [...events, ...frames.closeAll()] }
}

describe('framing', () => {
  test('messages are opened and closed around what belongs to them', () => {
    const { all } = tell([
      { type: 'reasoning', messageId: 'r', delta: 'hm' },
      { type: 'text', messageId: 'a', delta: 'Hello ' },
      { type: 'text', messageId: 'a', delta: 'you' },
      { type: 'tool_call', toolCallId: 't', name: 'grep', arguments: { q: 'x' } },
      { type: 'tool_result', toolCallId: 't', content: 'found' },
      { type: 'text', messageId: 'b', delta: 'done' },
    ])
    expect(all().map(({ type }) => type)).toEqual([
      'REASONING_START',
      'REASONING_MESSAGE_START',
      'REASONING_MESSAGE_CONTENT',
      'REASONING_MESSAGE_END',
      'REASONING_END',
      'TEXT_MESSAGE_START',
      'TEXT_MESSAGE_CONTENT',
      'TEXT_MESSAGE_CONTENT',
      'TEXT_MESSAGE_END',
      'TOOL_CALL_START',
      'TOOL_CALL_ARGS',
      'TOOL_CALL_END',
      'TOOL_CALL_RESULT',
      'TEXT_MESSAGE_START',
      'TEXT_MESSAGE_CONTENT',
      'TEXT_MESSAGE_END',
    ])
  })

  test('a snapshot adds only what the deltas did not say', () => {
    const { all } = tell([
      { type: 'text', messageId: 'a', delta: 'Hel' },
      { type: 'text_snapshot', messageId: 'a', text: 'Hello' },
      { type: 'text_snapshot', messageId: 'a', text: 'Hello' },
      { type: 'text_snapshot', messageId: 'a', text: 'Hel' },
    ])
    expect(texts(all())).toEqual({ a: 'Hello' })
  })

  test('a snapshot that says something else is a message of its own', () => {
    const { all, frames } = tell([
      { type: 'text', messageId: 'a', delta: 'Wrong start' },
      { type: 'text_snapshot', messageId: 'a', text: 'Right from the beginning' },
    ])
    expect(texts(all())).toEqual({ a: 'Wrong start', 'a~2': 'Right from the beginning' })
    expect(frames.answer()).toBe('Right from the beginning')
  })

  test('what is told twice of tools is stored once', () => {
    const call = { type: 'tool_call', toolCallId: 't', name: 'grep' } as const
    const result = { type: 'tool_result', toolCallId: 't', content: 'x' } as const
    expect(tell([call, call, result, result, call]).events.map(({ type }) => type)).toEqual([
      'TOOL_CALL_START',
      'TOOL_CALL_END',
      'TOOL_CALL_RESULT',
    ])
  })

  const whole: FramedEvent[] = [
    { type: 'text_snapshot', messageId: 'a', text: 'The quick brown fox' },
    { type: 'tool_call', toolCallId: 't', name: 'grep' },
    { type: 'tool_result', toolCallId: 't', content: 'x' },
    { type: 'text_snapshot', messageId: 'b', text: 'jumps over the lazy dog' },
  ]
  const live: FramedEvent[] = [
    ...['The qui', 'ck brown', ' fox'].map((delta): FramedEvent => ({ type: 'text', messageId: 'a', delta })),
    { type: 'tool_call', toolCallId: 't', name: 'grep' },
    { type: 'tool_result', toolCallId: 't', content: 'x' },
    ...['jumps ov', 'er the la', 'zy dog'].map((delta): FramedEvent => ({ type: 'text', messageId: 'b', delta })),
  ]

  test('a history told again after a restart, cut anywhere, completes the log without repeat', () => {
    for (let cut = 0; cut <= live.length; cut++) {
      const log = stored(tell(live.slice(0, cut)).events)
      const again = tell(whole, log)
      expect(texts([...log, ...again.all()])).toEqual({ a: 'The quick brown fox', b: 'jumps over the lazy dog' })
      const types = [...log, ...again.events].map(({ type }) => type)
      expect(types.filter((type) => type === 'TOOL_CALL_START')).toHaveLength(1)
      expect(types.filter((type) => type === 'TEXT_MESSAGE_START')).toHaveLength(2)
    }
  })

  test('a stream that goes on from a cursor skips what was written after the cursor', () => {
    for (let cut = 1; cut <= live.length; cut++) {
      const log = stored(tell(live.slice(0, cut)).events)
      // The cursor stood one fact before what was written last.
      const covered = stored(tell(live.slice(0, cut - 1)).events).length
      const again = tell(live.slice(cut - 1), log, covered)
      expect(texts([...log, ...again.all()])).toEqual({ a: 'The quick brown fox', b: 'jumps over the lazy dog' })
    }
  })

  test('a secret cut into pieces, by deltas and by a restart, is never shown', () => {
    const secret = `ghp_${'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'}`
    const text = `the token is ${secret} and more`
    for (let cut = 1; cut < text.length; cut++) {
      const first = tell([{ type: 'text', messageId: 'a', delta: text.slice(0, cut) }])
      const log = stored(first.events)
      const again = tell([{ type: 'text_snapshot', messageId: 'a', text }], log)
      const shown = texts([...log, ...again.all()])
      expect(Object.values(shown).join('|')).not.toContain(secret.slice(0, 12))
      expect(Object.values(shown).join('')).toMatch(/the token is \[REDACTED:[\w.:-]+\] and more/)
    }
  })

  test('NUL bytes and halves of characters do not reach the database', () => {
    const { events } = tell([{ type: 'tool_result', toolCallId: 't', content: `a\u0000b${'\ud83d'}c` }])
    expect(events.at(-1)?.content).toBe('ab\ufffdc')
  })

  test('a character cut in two by deltas comes out whole', () => {
    const { all } = tell([
      { type: 'text', messageId: 'a', delta: `smile ${'\ud83d'}` },
      { type: 'text', messageId: 'a', delta: `${'\ude00'} end` },
    ])
    expect(Object.values(texts(all()))).toEqual(['smile \u{1f600} end'])
    for (const { delta } of all()) if (typeof delta === 'string') expect(delta.isWellFormed()).toBe(true)
  })
})
