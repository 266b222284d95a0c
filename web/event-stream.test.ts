import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { describe, expect, test, vi } from 'vitest'
import { serveApp } from '../test/serve.ts'
import { encodeEvents, eventStream } from './event-stream.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A source that counts what is taken from it, and tells when it is left. */
function source(items: AsyncIterable<string> | Iterable<string>) {
  const seen = { taken: 0, opened: 0, signal: undefined as AbortSignal | undefined, left: false }
  async function* open(signal: AbortSignal): AsyncGenerator<string> {
    seen.signal = signal
    try {
      for await (const item of items) {
        seen.taken += 1
        yield item
      }
    } finally {
      seen.left = true
    }
  }
  const stream = (heartbeatMs = 60_000) =>
    eventStream({
      open: (signal) => {
        seen.opened += 1
        return open(signal)
      },
      encode: (item) => encoder.encode(item),
      heartbeatMs,
    })
  return { seen, stream }
}

/** Says nothing until the signal aborts, then ends. */
const never = (signal: AbortSignal): AsyncIterable<string> => ({
  [Symbol.asyncIterator]: () => ({
    next: async () => {
      await once(signal, 'abort')
      return { done: true, value: undefined }
    },
  }),
})

describe('an event stream', () => {
  test('takes the next item only when the last one was read', async () => {
    const { seen, stream } = source(['a', 'b', 'c'])
    const reader = stream().getReader()
    expect(seen.opened).toBe(0)
    expect(decoder.decode((await reader.read()).value)).toBe('retry: 1000\n\n')
    expect(decoder.decode((await reader.read()).value)).toBe('a')
    expect(seen.taken).toBe(1)
    expect(decoder.decode((await reader.read()).value)).toBe('b')
    expect(seen.taken).toBe(2)
    await reader.cancel()
    expect(seen.left).toBe(true)
    expect(seen.signal?.aborted).toBe(true)
  })

  test('ends when its source ends, and breaks when its source breaks', async () => {
    expect(await new Response(source(['a', 'b']).stream()).text()).toBe('retry: 1000\n\nab')
    async function* broken() {
      yield 'a'
      throw new Error('the database went away')
    }
    await expect(new Response(source(broken()).stream()).text()).rejects.toThrow('the database went away')
  })

  test('that nobody reads opens nothing', async () => {
    const { seen, stream } = source(['a'])
    await stream().cancel()
    expect(seen.opened).toBe(0)
  })

  test('writes comments while nothing happens, and stops when the reader goes', async () => {
    const gone = new AbortController()
    const { seen, stream } = source(never(gone.signal))
    const reader = stream(5).getReader()
    await reader.read()
    expect(decoder.decode((await reader.read()).value)).toBe(': still here\n\n')
    expect(decoder.decode((await reader.read()).value)).toBe(': still here\n\n')
    const cancelled = reader.cancel()
    await vi.waitFor(() => expect(seen.signal?.aborted).toBe(true))
    gone.abort()
    await cancelled
  })

  test('holds no more than the socket does when its reader is slow, and is left when the reader goes', async () => {
    function* endless() {
      for (;;) yield `data: ${'x'.repeat(64 * 1024)}\n\n`
    }
    const { seen, stream } = source(endless())
    const server = await serveApp(() => new Response(stream()))
    const request = get(server.url)
    // The response event of a client request carries its message.
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.pause()
    let before = -1
    await vi.waitFor(
      () => {
        const now = seen.taken
        const still = now > 0 && now === before
        before = now
        expect(still).toBe(true)
      },
      { interval: 200, timeout: 15_000 },
    )
    // 64 MiB would be 1,000 of them; the kernel's buffers take some.
    expect(seen.taken).toBeLessThan(500)
    expect(seen.left).toBe(false)
    response.destroy()
    await vi.waitFor(() => expect(seen.left).toBe(true))
    await server.close()
  })
})

test('an event is made into text once for all watchers of a run', () => {
  const event = { seq: 7, at: '2026-01-01T00:00:00.000Z', type: 'CUSTOM', name: 'a\nb', value: 1 }
  const stringify = vi.spyOn(JSON, 'stringify')
  const [first, second] = [encodeEvents([event]), encodeEvents([event])]
  expect(stringify).toHaveBeenCalledTimes(1)
  stringify.mockRestore()
  expect(first).toEqual(second)
  expect(decoder.decode(first)).toBe(
    'id: 7\ndata: {"seq":7,"at":"2026-01-01T00:00:00.000Z","type":"CUSTOM","name":"a\\nb","value":1}\n\n',
  )
})
