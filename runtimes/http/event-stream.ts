import type { IncomingMessage } from 'node:http'
import { createParser, type EventSourceMessage } from 'eventsource-parser'

/** One event of a stream may hold an artifact. */
const MAX_EVENT_CHARS = 8 * 1024 * 1024

export type StreamedEvent = { seq: string | undefined; value: unknown; chars: number }

/**
 * The events of a `text/event-stream` body, as they come; characters split over chunks are joined. Events with an id are told
 * once: one that is not above `after` and all ids before it was told already. Returns at the end of the body, throws when it
 * breaks off or an event is too long. Leaving the loop ends the connection.
 */
export async function* readEventStream(response: IncomingMessage, after = 0): AsyncGenerator<StreamedEvent> {
  const ready: EventSourceMessage[] = []
  const faults: Error[] = []
  let last = after
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARS,
    onEvent: (message) => void ready.push(message),
    onError: (error) => {
      // An unknown field or a bad `retry` is to be ignored by the standard of event streams.
      if (error.type === 'max-buffer-size-exceeded')
        faults.push(new Error(`an event is longer than ${MAX_EVENT_CHARS} characters`))
    },
  })
  const decoder = new TextDecoder()
  for await (const chunk of response) {
    // Without an encoding set, a response yields buffers.
    parser.feed(decoder.decode(chunk as Buffer, { stream: true }))
    for (const { id, data } of ready.splice(0)) {
      const seq = id === undefined ? Number.NaN : Number(id)
      if (seq <= last) continue
      if (seq > last) last = seq
      yield { seq: id, value: toValue(data), chars: data.length }
    }
    for (const fault of faults) throw fault
  }
}

/** Text that is no JSON is passed on as it is and ends up as a raw event. */
function toValue(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return data
  }
}
