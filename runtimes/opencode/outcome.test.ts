import { expect, test } from 'vitest'
import type { Message, MessageInfo } from './client.ts'
import { messageIdFor } from './message-id.ts'
import { type Facts, judge } from './outcome.ts'

const run = messageIdFor('run', 'one')
const steer = messageIdFor('steer', 'one')
const next = messageIdFor('run', 'two')
const prompt = (id: string): Message => ({
  info: { id, sessionID: 's', role: 'user', time: { created: 1 } },
  parts: [],
})
const reply = (parentID: string, text: string, info: Partial<MessageInfo> = {}): Message => ({
  info: {
    id: `msg_${text}`,
    sessionID: 's',
    role: 'assistant',
    parentID,
    finish: 'stop',
    time: { created: 2, completed: 3 },
    ...info,
  },
  parts: [{ id: `prt_${text}`, messageID: 'm', sessionID: 's', type: 'text', text }],
})
const error = (name: string, message?: string, statusCode?: number) => ({
  name,
  data: { ...(message && { message }), ...(statusCode && { statusCode }) },
})
const judged = (messages: Message[] | null, facts: Partial<Facts> = {}) =>
  judge({ messages, busy: false, interrupts: [], cancelled: false, ...facts })
const asked = { id: 'per_1', kind: 'permission', message: 'bash: ls', options: [] } as const

test.each<[string, ReturnType<typeof judged>, object]>([
  ['a prompt that is not there', judged(null), { status: 'unknown' }],
  ['a session at work', judged([prompt(run)], { busy: true }), { status: 'running' }],
  [
    'a session that waits for a person',
    judged([prompt(run)], { busy: true, interrupts: [{ ...asked, options: [] }] }),
    { status: 'awaiting_input' },
  ],
  ['a complete answer', judged([prompt(run), reply(run, 'hello')]), { status: 'succeeded', output: 'hello' }],
  [
    'an answer cut by its length',
    judged([prompt(run), reply(run, 'hello', { finish: 'length' })]),
    { status: 'succeeded' },
  ],
  ['a prompt without an answer', judged([prompt(run)]), { status: 'unanswered' }],
  [
    'a steering message without an answer',
    judged([prompt(run), reply(run, 'hello'), prompt(steer)]),
    { status: 'unanswered' },
  ],
  [
    'a steering message with one',
    judged([prompt(run), reply(run, 'hello'), prompt(steer), reply(steer, 'again')]),
    { status: 'succeeded', output: 'again' },
  ],
  [
    'an answer that was stopped',
    judged([prompt(run), reply(run, 'hel', { error: error('MessageAbortedError'), finish: undefined })]),
    { status: 'cancelled', output: 'hel' },
  ],
  [
    'a stop that dropped a steering message',
    judged(
      [prompt(run), reply(run, 'hel', { error: error('MessageAbortedError'), finish: undefined }), prompt(steer)],
      { cancelled: true },
    ),
    { status: 'cancelled' },
  ],
  ['a stop before the answer began', judged([prompt(run)], { cancelled: true }), { status: 'cancelled' }],
  [
    'a stop that came after the answer',
    judged([prompt(run), reply(run, 'hello')], { cancelled: true }),
    { status: 'succeeded' },
  ],
  [
    'an error of the provider',
    judged([prompt(run), reply(run, '', { error: error('APIError', 'no such key', 401), finish: undefined })]),
    { status: 'failed', error: { code: 'model_failed', message: 'The model provider answered 401: no such key' } },
  ],
  [
    'another error',
    judged([prompt(run), reply(run, '', { error: error('UnknownError', 'odd'), finish: undefined })]),
    { status: 'failed', error: { code: 'runtime_failed', message: 'odd' } },
  ],
  [
    'an answer that a crash cut off',
    judged([prompt(run), reply(run, 'hel', { finish: undefined, time: { created: 2 } })]),
    { status: 'failed', error: { code: 'runtime_failed', message: expect.stringContaining('ended in the middle') } },
  ],
  [
    'an answer that was begun again',
    judged([prompt(run), { ...reply(run, ''), parts: [...reply(run, '').parts, ...reply(run, 'hello').parts] }]),
    { status: 'succeeded', output: 'hello' },
  ],
  [
    'a run whose session is at work on the next',
    judged([prompt(run), reply(run, 'hello'), prompt(next)], { busy: true }),
    { status: 'succeeded', output: 'hello' },
  ],
])('%s is told as it is', (_, found, expected) => {
  expect(found).toMatchObject(expected)
})
