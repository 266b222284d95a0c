import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server'

const MAX_MESSAGES = 64
const MAX_BYTES = 256 * 1024

/**
 * The last messages of one legacy session, so that a client whose stream broke reads on from where it was
 * (MCP 2025-11-25: resumability). Bounded by count and bytes; the newest message is always kept.
 */
export function createEventStore(): EventStore {
  let next = 1
  let bytes = 0
  const kept: { number: number; streamId: string; message: JSONRPCMessage; bytes: number }[] = []
  return {
    storeEvent: async (streamId, message) => {
      const size = JSON.stringify(message).length
      kept.push({ number: next, streamId, message, bytes: size })
      bytes += size
      while (kept.length > 1 && (kept.length > MAX_MESSAGES || bytes > MAX_BYTES)) bytes -= kept.shift()!.bytes
      return `${streamId}#${next++}`
    },
    getStreamIdForEventId: async (eventId) => parse(eventId)?.streamId,
    replayEventsAfter: async (lastEventId, { send }) => {
      const last = parse(lastEventId)
      if (!last) throw new Error(`${lastEventId} is not an event id of this server.`)
      for (const { number, streamId, message } of kept) {
        // Priming events hold no message: they only carry an id.
        if (streamId === last.streamId && number > last.number && Object.keys(message).length > 0)
          await send(`${streamId}#${number}`, message)
      }
      return last.streamId
    },
  }
}

function parse(eventId: string): { streamId: string; number: number } | undefined {
  const at = eventId.lastIndexOf('#')
  const number = Number(eventId.slice(at + 1))
  return at > 0 && Number.isInteger(number) ? { streamId: eventId.slice(0, at), number } : undefined
}
