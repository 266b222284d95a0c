import { describe, expect, test } from 'vitest'
import type { RuntimeEvent } from '../../core/index.ts'
import recorded from '../../test/inline/recorded/turn.json' with { type: 'json' }
import type { Message } from './client.ts'
import type { NativeEvent } from './event-feed.ts'
import { messageIdFor } from './message-id.ts'
import { answersTo, callsOf, permissionInterrupt, questionInterrupt, translation, usageOf } from './translate.ts'

// Recorded from OpenCode 1.18.33: three tools (one asked about, one refused), thoughts, an answer.
const events = recorded.events as NativeEvent[]
const messages = recorded.messages as unknown as Message[] // JSON's literal types are wider than OpenCode's
const heardLive = () => {
  const translate = translation(recorded.prompt)
  return events.flatMap((event) => translate.live(event))
}
const textOf = (told: RuntimeEvent[]) => told.flatMap((event) => (event.type === 'text' ? [event.delta] : [])).join('')
const usage = { input_tokens: 400, output_tokens: 40, cache_read_tokens: 0, cache_write_tokens: 0, model_calls: 4 }

describe('a recorded turn', () => {
  test('tells tools, thoughts, text, the question and its answer, in order', () => {
    const told = heardLive()
    const course = told
      .filter(({ type }) => type !== 'usage')
      .map((event) => (event.type === 'tool_call' ? event.name : event.type))
    const withoutRepeats = course.filter((step, index) => step !== course[index - 1])
    expect(withoutRepeats).toEqual([
      'reasoning',
      'write',
      'tool_result',
      'reasoning',
      'bash',
      'interrupt',
      'interrupt_resolved',
      'tool_result',
      'reasoning',
      'read',
      'tool_result',
      'reasoning',
      'text',
    ])
    expect(textOf(told)).toBe('All done here.')
    expect(told.findLast(({ type }) => type === 'usage')).toEqual({ type: 'usage', usage })
  })

  test('gives a permission the id of its tool call', () => {
    const told = heardLive()
    const bash = told.find((event) => event.type === 'tool_call' && event.name === 'bash')
    const asked = told.find((event) => event.type === 'interrupt')
    expect(bash).toMatchObject({ kind: 'execute', arguments: { command: 'cat a.txt', description: 'look' } })
    expect(asked).toMatchObject({
      interrupt: {
        kind: 'permission',
        message: 'bash: cat a.txt',
        toolCallId: (bash as { toolCallId: string }).toolCallId,
      },
    })
  })

  test('tells a refused tool as an error', () => {
    const results = heardLive().filter((event) => event.type === 'tool_result')
    expect(results.map(({ isError }) => isError ?? false)).toEqual([false, false, true])
    expect(results[2]!.content).toContain('outside of the workspace')
  })

  test('is told the same from what is stored, without the thoughts', () => {
    const told = translation(recorded.prompt).history(messages)
    expect(told.filter(({ type }) => type === 'reasoning')).toEqual([])
    const calls = (all: RuntimeEvent[]) => all.filter(({ type }) => type === 'tool_call' || type === 'tool_result')
    expect(calls(told)).toEqual(calls(heardLive()))
    expect(told.filter(({ type }) => type === 'text_snapshot')).toEqual([
      expect.objectContaining({ text: 'All done here.' }),
    ])
    expect(usageOf(messages)).toEqual(usage)
  })

  test('is not told twice when it is heard and then read again', () => {
    const translate = translation(recorded.prompt)
    for (const event of events) translate.live(event)
    expect(translate.history(messages)).toEqual([])
  })

  test.each(events.map((_, index) => index))('is complete when the connection is lost after event %i', (index) => {
    const translate = translation(recorded.prompt)
    const before = events.slice(0, index).flatMap((event) => translate.live(event))
    translate.lostSight()
    const told = [...before, ...translate.history(messages)]
    const said = new Map<string, string>()
    for (const event of told) {
      if (event.type === 'text') said.set(event.messageId, (said.get(event.messageId) ?? '') + event.delta)
      if (event.type === 'text_snapshot') said.set(event.messageId, event.text)
    }
    expect([...said.values()]).toEqual(['All done here.'])
    const ids = (type: RuntimeEvent['type']) =>
      told.flatMap((event) => (event.type === type && 'toolCallId' in event ? [event.toolCallId] : []))
    expect(ids('tool_call')).toHaveLength(3)
    expect(ids('tool_result')).toEqual(ids('tool_call'))
  })

  test('says nothing to another run', () => {
    const translate = translation(messageIdFor('run', 'another'))
    expect(
      events
        .flatMap((event) => translate.live(event))
        .filter(({ type }) => !['interrupt', 'interrupt_resolved'].includes(type)),
    ).toEqual([])
  })
})

test('a text that began before we came is told when it is complete, and not from its middle', () => {
  const translate = translation('msg_p')
  const info = { id: 'msg_a', sessionID: 's', role: 'assistant', parentID: 'msg_p', time: { created: 1 } } as const
  const part = { id: 'prt_1', messageID: 'msg_a', sessionID: 's', type: 'text', text: '' } as const
  expect(translate.history([{ info, parts: [part] }])).toEqual([])
  expect(
    translate.live({
      type: 'message.part.delta',
      properties: { messageID: 'msg_a', partID: 'prt_1', field: 'text', delta: 'half' },
    }),
  ).toEqual([])
  expect(
    translate.live({
      type: 'message.part.updated',
      properties: { part: { ...part, text: 'the whole', time: { end: 2 } } },
    }),
  ).toEqual([{ type: 'text_snapshot', messageId: 'prt_1', text: 'the whole' }])
})

test('a retry of the model call is told as progress', () => {
  const event = {
    type: 'session.status',
    properties: { status: { type: 'retry', attempt: 2, message: 'overloaded', next: 1 } },
  }
  expect(translation('msg_p').live(event)).toEqual([
    { type: 'progress', message: 'The model call failed (try 2) and is repeated: overloaded' },
  ])
})

test('events that say nothing about the run are passed by', () => {
  for (const type of ['session.diff', 'todo.updated', 'file.edited', 'something.new'])
    expect(translation('msg_p').live({ type, properties: {} })).toEqual([])
})

describe('questions', () => {
  const one = {
    question: 'Which?',
    header: 'W',
    options: [
      { label: 'Red', description: '' },
      { label: 'Blue', description: '' },
    ],
  }
  const many = {
    question: 'What else?',
    header: 'M',
    options: [
      { label: 'Cat', description: '' },
      { label: 'Dog', description: '' },
    ],
    multiple: true,
  }

  test('one with one answer offers its choices', () => {
    const interrupt = questionInterrupt({ id: 'que_1', sessionID: 's', questions: [one] }, new Map())
    expect(interrupt).toMatchObject({ message: 'Which? (Red, Blue)' })
    expect(interrupt.options.map(({ label, kind }) => [label, kind])).toEqual([
      ['Red', 'answer'],
      ['Blue', 'answer'],
      ['Dismiss', 'reject_once'],
    ])
  })

  test('several are one interrupt, answered in words', () => {
    const interrupt = questionInterrupt({ id: 'que_1', sessionID: 's', questions: [one, many] }, new Map())
    expect(interrupt.message).toBe('1. Which? (Red, Blue)\n2. What else? (any of: Cat, Dog)')
    expect(interrupt.options.map(({ id }) => id)).toEqual(['dismiss'])
  })

  test.each([
    ['a choice', [one], { label: 'Blue' }, [['Blue']]],
    ['words that name a choice', [one], { text: ' blue ' }, [['Blue']]],
    ['other words', [one], { text: 'green, or so' }, [['green, or so']]],
    ['several choices', [many], { text: 'cat, dog' }, [['Cat', 'Dog']]],
    ['a line for each', [one, many], { text: '1. red\n2) dog, bird' }, [['Red'], ['Dog', 'bird']]],
    ['too few lines', [one, many], { text: 'red' }, [['Red'], []]],
    ['nothing', [one], { text: '' }, [[]]],
  ])('an answer can be %s', (_, questions, given, expected) => {
    expect(answersTo({ questions }, given)).toEqual(expected)
  })
})

test('a permission without a command shows what it is for', () => {
  const request = {
    id: 'per_1',
    sessionID: 's',
    permission: 'edit',
    patterns: ['a.txt', 'b.txt'],
    metadata: { diff: '+x' },
    tool: { messageID: 'm', callID: 'c' },
  }
  const calls = callsOf([
    {
      info: { id: 'm', sessionID: 's', role: 'assistant', time: { created: 1 } },
      parts: [
        {
          id: 'prt_9',
          messageID: 'm',
          sessionID: 's',
          type: 'tool',
          tool: 'edit',
          callID: 'c',
          state: { status: 'running', input: {} },
        },
      ],
    },
  ])
  expect(permissionInterrupt(request, calls)).toMatchObject({
    message: 'edit: a.txt, b.txt',
    tool: 'edit',
    toolCallId: 'prt_9',
    arguments: { diff: '+x', patterns: ['a.txt', 'b.txt'] },
  })
})
