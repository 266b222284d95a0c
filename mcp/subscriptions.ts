/** Who wants to hear that a run changed, and the watches on core behind it. */
import { type Actor, type Core, faultMessage, HubError, type Log } from '../core/index.ts'

/** A run's resources change with every event; subscribers hear of it at most this often. */
const EVERY_MS = 1_000
/** Runs watched at once on this replica; past it, subscribing is refused. */
const MAX_RUNS = 1_000

export type Unsubscribe = () => void
export type Subscriptions = ReturnType<typeof createSubscriptions>

type Watched = {
  listeners: Set<{ uri: string; changed: (uri: string) => void }>
  /** One watch a user, with that user's rights; a user who may no longer read the run wakes nobody. */
  watches: Map<string, { actor: Actor; subscribers: number; stop: AbortController }>
  timer: NodeJS.Timeout | null
  /** True: something changed since subscribers were told. */
  dirty: boolean
}

/**
 * `run://{id}`, `run://{id}/events` and `run://{id}/transcript` can be subscribed to. However many subscribe, a run is watched
 * once a user, and told once a second; after its last event the last change is told and the watch ends.
 */
export function createSubscriptions(core: Core, log: Log, everyMs = EVERY_MS) {
  const runs = new Map<string, Watched>()

  function tell(watched: Watched): void {
    if (watched.timer) {
      watched.dirty = true
      return
    }
    for (const { uri, changed } of watched.listeners) changed(uri)
    watched.dirty = false
    watched.timer = setTimeout(() => {
      watched.timer = null
      if (watched.dirty) tell(watched)
    }, everyMs)
  }

  async function watch(
    runId: string,
    watched: Watched,
    actor: Actor,
    after: number,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      for await (const batch of core.runs.watch(actor, runId, { after, signal })) if (batch.length > 0) tell(watched)
    } catch (error) {
      if (!signal.aborted) log.warn('mcp subscription ended', { run_id: runId, error: faultMessage(error) })
    }
  }

  /** Throws not_found for a URI that cannot be subscribed to, and what core throws when the actor may not read the run. */
  async function subscribe(actor: Actor, uri: string, changed: (uri: string) => void): Promise<Unsubscribe> {
    const runId = /^run:\/\/([A-Za-z0-9_-]+)(\/events|\/transcript)?$/.exec(uri)?.[1]
    if (!runId)
      throw new HubError('not_found', `${uri} cannot be subscribed to.`, {
        hint: 'Subscribe to run://{id}, run://{id}/events or run://{id}/transcript.',
      })
    const run = await core.runs.get(actor, runId)
    if (!runs.has(runId) && runs.size >= MAX_RUNS)
      throw new HubError('rate_limited', 'This hub watches as many runs for subscribers as it can.')
    const watched = runs.get(runId) ?? { listeners: new Set(), watches: new Map(), timer: null, dirty: false }
    runs.set(runId, watched)
    const listener = { uri, changed }
    watched.listeners.add(listener)
    const held = watched.watches.get(actor.userId) ?? { actor, subscribers: 0, stop: new AbortController() }
    held.subscribers += 1
    if (!watched.watches.has(actor.userId)) {
      watched.watches.set(actor.userId, held)
      void watch(runId, watched, actor, run.last_seq, held.stop.signal)
    }
    let subscribed = true
    return () => {
      if (!subscribed) return
      subscribed = false
      watched.listeners.delete(listener)
      held.subscribers -= 1
      if (held.subscribers > 0) return
      held.stop.abort()
      watched.watches.delete(actor.userId)
      if (watched.watches.size > 0) return
      if (watched.timer) clearTimeout(watched.timer)
      runs.delete(runId)
    }
  }

  return {
    subscribe,
    /** Runs being watched. */
    size: () => runs.size,
    close(): void {
      for (const watched of runs.values()) {
        for (const { stop } of watched.watches.values()) stop.abort()
        if (watched.timer) clearTimeout(watched.timer)
      }
      runs.clear()
    },
  }
}
