import type { JSONRPCMessage } from '@modelcontextprotocol/server'
import { expect, test } from 'vitest'
import { createEventStore } from './event-store.ts'

const message = (text: string): JSONRPCMessage => ({
  jsonrpc: '2.0',
  method: 'notifications/message',
  params: { text },
})

async function replay(store: ReturnType<typeof createEventStore>, after: string) {
  const sent: string[] = []
  const stream = await store.replayEventsAfter(after, {
    send: async (_id, { params }: JSONRPCMessage & { params?: { text?: string } }) =>
      void sent.push(params?.text ?? ''),
  })
  return { stream, sent }
}

test('a client reads on in its own stream from the last event it had', async () => {
  const store = createEventStore()
  const primed = await store.storeEvent('a#b', {} as JSONRPCMessage)
  await store.storeEvent('other', message('not mine'))
  const first = await store.storeEvent('a#b', message('one'))
  await store.storeEvent('a#b', message('two'))
  expect(await replay(store, primed)).toEqual({ stream: 'a#b', sent: ['one', 'two'] })
  expect(await replay(store, first)).toEqual({ stream: 'a#b', sent: ['two'] })
  expect(await store.getStreamIdForEventId?.(first)).toBe('a#b')
  await expect(replay(store, 'nonsense')).rejects.toThrow(/not an event id/)
})

test('what is kept is bounded, and the newest is always there', async () => {
  const store = createEventStore()
  const first = await store.storeEvent('s', message('first'))
  for (let index = 0; index < 100; index++) await store.storeEvent('s', message(String(index)))
  const { sent } = await replay(store, first)
  expect(sent.length).toBeLessThanOrEqual(64)
  expect(sent.at(-1)).toBe('99')
  const large = message('x'.repeat(1_000_000))
  await store.storeEvent('s', large)
  expect((await replay(store, first)).sent).toHaveLength(1)
})
