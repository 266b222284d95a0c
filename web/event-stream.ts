import type { RunEvent } from '../core/index.ts'

const encoder = new TextEncoder()

/** Comments and `retry` are of the SSE format; clients act on them and hand nothing on. */
const HEARTBEAT = encoder.encode(': still here\n\n')
const OPENING = encoder.encode('retry: 1000\n\n')

export const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // nginx holds streams back unless told not to.
  'x-accel-buffering': 'no',
}

type StreamOptions<T> = {
  /** Opened at the first read, so that an answer nobody reads costs nothing. */
  open: (signal: AbortSignal) => AsyncIterable<T>
  /** The bytes of one item; an empty array writes nothing. */
  encode: (item: T) => Uint8Array
  heartbeatMs: number
}

/**
 * An SSE body that takes the next item only when the last one has gone to the socket, so that a slow reader holds one
 * item and no more. While nothing happens it writes a comment every `heartbeatMs`. The reader's going away aborts the
 * signal; an error of the source breaks the stream, and a client that reconnects goes on from its last id.
 */
export function eventStream<T>({ open, encode, heartbeatMs }: StreamOptions<T>): ReadableStream<Uint8Array> {
  const controller = new AbortController()
  let items: AsyncIterator<T> | undefined
  let heartbeat: NodeJS.Timeout | undefined
  return new ReadableStream<Uint8Array>(
    {
      async pull(stream) {
        if (items === undefined) {
          items = open(controller.signal)[Symbol.asyncIterator]()
          stream.enqueue(OPENING)
          // At most one comment waits: the desired size is 0 when nothing does, and negative else.
          heartbeat = setInterval(() => {
            if (stream.desiredSize === 0) stream.enqueue(HEARTBEAT)
          }, heartbeatMs)
          return
        }
        try {
          for (;;) {
            const { done, value } = await items.next()
            if (done) {
              clearInterval(heartbeat)
              if (!controller.signal.aborted) stream.close()
              return
            }
            const bytes = encode(value)
            if (bytes.length === 0) continue
            if (!controller.signal.aborted) stream.enqueue(bytes)
            return
          }
        } catch (error) {
          clearInterval(heartbeat)
          throw error
        }
      },
      async cancel() {
        clearInterval(heartbeat)
        controller.abort()
        await items?.return?.()
      },
    },
    // Nothing is taken before it is asked for: a HEAD request, whose body nobody reads, opens nothing.
    { highWaterMark: 0 },
  )
}

/** An event is the same object for all watchers of a run, so it is made into text once for all of them. */
const encoded = new WeakMap<RunEvent, Uint8Array>()

export function encodeEvents(events: RunEvent[]): Uint8Array {
  return Buffer.concat(
    events.map((event) => {
      let bytes = encoded.get(event)
      if (bytes === undefined) {
        bytes = encoder.encode(`id: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`)
        encoded.set(event, bytes)
      }
      return bytes
    }),
  )
}
