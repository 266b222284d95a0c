import type { Db } from '../database.ts'
import type { RunEvent } from '../shapes.ts'
import { isFinal, readEvents } from './log.ts'

/** Events kept in memory per watched run; who falls further behind reads the database at their own pace. */
const RECENT = 4_096
const PAGE = 1_000
/** A backstop for a lost NOTIFY. */
const POLL_MS = 5_000

type Watched = {
  recent: RunEvent[]
  /** The highest seq known to be committed. */
  head: number
  loading: Promise<void> | null
  wakes: Set<() => void>
  watchers: number
}

/** Heard when the run changes its status or what it waits for, which is far rarer than an event. */
export const stateTopic = (runId: string): string => `state:${runId}`

export type Feed = ReturnType<typeof createFeed>

/** Committed events to any number of watchers: one copy per run in memory, one read of the database for all of them. */
export function createFeed(db: Db) {
  const runs = new Map<string, Watched>()

  function wake(watched: Watched): void {
    for (const resolve of watched.wakes) resolve()
    watched.wakes.clear()
  }

  function add(watched: Watched, added: RunEvent[]): void {
    for (const event of added) {
      const last = watched.recent.at(-1)
      // Own writes come here directly and again by NOTIFY, and may overtake a read: only the next one in order is kept.
      if (last === undefined || event.seq === last.seq + 1) watched.recent.push(event)
    }
    if (watched.recent.length > RECENT * 2) watched.recent.splice(0, watched.recent.length - RECENT)
    watched.head = Math.max(watched.head, watched.recent.at(-1)?.seq ?? 0)
  }

  /** Reads on from the end of what is in memory, for all watchers at once. */
  function load(runId: string, watched: Watched, seen: number): Promise<void> {
    watched.loading ??= (async () => {
      try {
        // Nothing in memory: from where the watcher stands, who need not go through all that came before.
        const after = watched.recent.at(-1)?.seq ?? seen
        add(watched, await readEvents(db, runId, { after, limit: PAGE }))
      } finally {
        watched.loading = null
      }
    })()
    return watched.loading
  }

  return {
    /** This replica has committed these. */
    publish(runId: string, added: RunEvent[]): void {
      const watched = runs.get(runId)
      if (!watched) return
      const last = watched.recent.at(-1)?.seq ?? watched.head
      if (added[0] !== undefined && added[0].seq > last + 1) watched.head = Math.max(watched.head, added.at(-1)!.seq)
      else add(watched, added)
      wake(watched)
    },
    /** Some replica has committed up to `seq`; 0: something about the run changed, or may have. */
    heard(runId: string, seq: number): void {
      const watched = runs.get(runId)
      if (!watched) return
      watched.head = Math.max(watched.head, seq)
      wake(watched)
    },
    /** The connection that hears was broken: everything may have changed. */
    missed(): void {
      for (const watched of runs.values()) {
        watched.head += 1
        wake(watched)
      }
    },
    /** Resolves at the next sign of life of the run, or when the signal aborts or `timeoutMs` is over. Never rejects. */
    changed(runId: string, timeoutMs: number, signal?: AbortSignal): Promise<void> {
      const watched = hold(runId)
      return pause(watched, timeoutMs, signal)
        .then(() => {})
        .finally(() => release(runId, watched))
    },
    /** From `after` on: what is stored, then what comes, without gap or repeat; returns after the final event or on abort. */
    async *watch(runId: string, after: number, signal?: AbortSignal): AsyncGenerator<RunEvent[], void, undefined> {
      const watched = hold(runId)
      let seen = after
      try {
        while (!signal?.aborted) {
          const first = watched.recent[0]
          let batch: RunEvent[]
          if (first !== undefined && seen >= first.seq - 1) {
            batch = watched.recent.slice(seen - first.seq + 1, seen - first.seq + 1 + PAGE)
          } else {
            batch = await readEvents(db, runId, { after: seen, limit: PAGE })
            // The first watcher's read fills the memory that the others share.
            if (watched.recent.length === 0 && batch.length < PAGE) add(watched, batch)
          }
          if (batch.length === 0) {
            const last = watched.recent.at(-1)?.seq ?? 0
            if (last > seen) continue
            if (watched.head > seen) {
              const before = watched.recent.at(-1)?.seq ?? 0
              await load(runId, watched, seen)
              const loaded = watched.recent.at(-1)?.seq ?? 0
              // A head that the database does not have (yet) must not make a busy loop.
              if (loaded <= seen && loaded === before) watched.head = seen
            } else if ((await pause(watched, POLL_MS, signal)) === 'time') {
              watched.head = Math.max(watched.head, seen + 1)
            }
            continue
          }
          seen = batch.at(-1)!.seq
          yield batch
          if (isFinal(batch.at(-1)!)) return
        }
      } finally {
        release(runId, watched)
      }
    },
    size: () => runs.size,
  }

  function hold(runId: string): Watched {
    let watched = runs.get(runId)
    if (!watched) {
      watched = { recent: [], head: 0, loading: null, wakes: new Set(), watchers: 0 }
      runs.set(runId, watched)
    }
    watched.watchers += 1
    return watched
  }

  function release(runId: string, watched: Watched): void {
    watched.watchers -= 1
    if (watched.watchers === 0 && runs.get(runId) === watched) runs.delete(runId)
  }

  function pause(watched: Watched, timeoutMs: number, signal?: AbortSignal): Promise<'woken' | 'time'> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve('woken')
      const done = (why: 'woken' | 'time') => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', woken)
        watched.wakes.delete(woken)
        resolve(why)
      }
      const woken = () => done('woken')
      const timer = setTimeout(() => done('time'), timeoutMs)
      signal?.addEventListener('abort', woken, { once: true })
      watched.wakes.add(woken)
    })
  }
}
