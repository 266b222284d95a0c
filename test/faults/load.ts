import { randomUUID } from 'node:crypto'
import { promptOf } from './agent.ts'
import { isFinal } from './checker.ts'
import { type Door, pause, WrongAnswer } from './door.ts'
import type { SentRequest, Watched } from './observed.ts'
import type { Random } from './random.ts'

export type Load = {
  requests: SentRequest[]
  watched: Watched[]
  /** Answers that no promise of the hub allows. */
  problems: string[]
  reconnects(): number
  /** Something was answered or shown: resolves after `count` more of these. */
  beats(count: number): Promise<void>
  /** No new requests; resolves when every run that was asked for has been watched to its end. */
  finish(): Promise<void>
}

/** Clients that ask for work, one run after the other each, and watch it to its end over however many connections. */
export function startLoad(
  door: Door,
  options: { clients: number; agents: string[]; random: Random; signal: AbortSignal },
): Load {
  const { agents, random, signal } = options
  const requests: SentRequest[] = []
  const watched: Watched[] = []
  const problems: string[] = []
  let stopping = false
  let reconnects = 0
  let beat = 0
  const waiting = new Set<{ at: number; resolve: () => void }>()

  function onBeat(): void {
    beat += 1
    for (const entry of waiting) {
      if (entry.at > beat) continue
      waiting.delete(entry)
      entry.resolve()
    }
  }

  async function client(): Promise<void> {
    let session: { id: string; agent: string } | null = null
    while (!stopping) {
      const agent: string = session?.agent ?? random.pick(agents)
      const prompt = promptOf(random.between(1, 30), random.between(2, 60))
      const request: SentRequest = { key: randomUUID(), agent, prompt, runIds: [], stopped: false }
      requests.push(request)
      const run = await ask(request, session?.id)
      // Now and then the answer is lost on the way, as far as the client knows, and it asks again.
      if (random.chance(0.3)) await ask(request, session?.id)
      const watches = Array.from({ length: random.chance(0.4) ? 2 : 1 }, (_, at) => watch(run.id, `watcher ${at + 1}`))
      const over = Promise.all(watches)
      if (random.chance(0.15)) await stop(request, run.id, over)
      await over
      session = random.chance(0.4) ? { id: run.session_id, agent } : null
    }
  }

  async function ask(request: SentRequest, sessionId: string | undefined): Promise<{ id: string; session_id: string }> {
    const body = {
      agent: request.agent,
      prompt: request.prompt,
      ...(sessionId === undefined ? {} : { session_id: sessionId }),
    }
    const answer = await door.send('POST', '/runs', body, request.key)
    if (answer.status !== 201) throw new WrongAnswer(`POST /runs: ${answer.status} ${JSON.stringify(answer.body)}`)
    // The status says that the body is a run.
    const run = answer.body as { id: string; session_id: string }
    request.runIds.push(run.id)
    onBeat()
    return run
  }

  /** Somewhere in the middle; not at all when the run is over before. */
  async function stop(request: SentRequest, runId: string, over: Promise<unknown>): Promise<void> {
    const moment = beats(random.between(0, 10)).then(() => 'now')
    if ((await Promise.race([moment, over])) !== 'now') return
    request.stopped = true
    const { status, body } = await door.send('POST', `/runs/${runId}/stop`)
    if (status !== 200 && status !== 202 && status !== 409)
      problems.push(`POST /runs/${runId}/stop: ${status} ${JSON.stringify(body)}`)
  }

  /** From the first event to the final one. Some leave by themselves and come back. */
  async function watch(runId: string, watcher: string): Promise<void> {
    const entry: Watched = { watcher, runId, events: [] }
    watched.push(entry)
    for (;;) {
      const leave = new AbortController()
      const stayFor = random.chance(0.2) ? random.between(1, 10) : Number.POSITIVE_INFINITY
      let shown = 0
      try {
        await door.stream(
          runId,
          entry.events.at(-1)?.seq ?? 0,
          (event) => {
            entry.events.push(event)
            onBeat()
            shown += 1
            if (shown >= stayFor) leave.abort()
          },
          leave.signal,
        )
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof WrongAnswer) {
          problems.push(error.message)
          return
        }
      }
      const last = entry.events.at(-1)
      if (last && isFinal(last)) return
      reconnects += 1
      await pause(10)
    }
  }

  function beats(count: number): Promise<void> {
    return count <= 0 ? Promise.resolve() : new Promise((resolve) => waiting.add({ at: beat + count, resolve }))
  }

  const clients = Array.from({ length: options.clients }, () =>
    client().catch((error: unknown) => {
      problems.push(
        signal.aborted ? 'a client was still waiting for the end of its run when the time was over' : String(error),
      )
    }),
  )
  return {
    requests,
    watched,
    problems,
    reconnects: () => reconnects,
    beats,
    async finish() {
      stopping = true
      await Promise.all(clients)
    },
  }
}
