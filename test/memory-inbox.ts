import type { InboxEvent, RuntimeHost } from '../core/index.ts'

/** What core keeps of callbacks, in memory: each seq of a run once, told in order from 1 without gaps, waiting for more until the signal aborts. */
export function memoryInbox(): { add: (runId: string, events: InboxEvent[]) => void; inbox: RuntimeHost['inbox'] } {
  const kept = new Map<string, Map<number, InboxEvent>>()
  const waiting = new Set<() => void>()
  return {
    add: (runId, events) => {
      const run = kept.get(runId) ?? new Map<number, InboxEvent>()
      kept.set(runId, run)
      for (const event of events) if (!run.has(event.seq)) run.set(event.seq, event)
      for (const wake of waiting) wake()
    },
    inbox: async function* (runId, afterSeq, signal) {
      for (let last = afterSeq; !signal.aborted; ) {
        const event = kept.get(runId)?.get(last + 1)
        if (event) {
          last = event.seq
          yield event
          continue
        }
        await new Promise<void>((resolve) => {
          const wake = () => {
            waiting.delete(wake)
            signal.removeEventListener('abort', wake)
            resolve()
          }
          waiting.add(wake)
          signal.addEventListener('abort', wake, { once: true })
        })
      }
    },
  }
}
