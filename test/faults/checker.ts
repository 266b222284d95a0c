import { isDeepStrictEqual } from 'node:util'
import type { Observed, SeenEvent, StoredRun, Watched } from './observed.ts'

const TERMINAL = ['succeeded', 'failed', 'cancelled']

/** Everything in what was observed that breaks a promise of the hub, a sentence each; an empty list is a pass. */
export function check(observed: Observed): string[] {
  const stored = new Map(observed.stored.map((entry) => [entry.run.id, entry]))
  return [
    ...requestsAreRuns(observed, stored),
    ...startedOnce(observed),
    ...observed.stored.flatMap((entry) => [...oneOutcome(entry), ...gapless(entry)]),
    ...durableRunsComeToTheirEnd(observed, stored),
    ...observed.watched.flatMap((watched) => watchersSawTheLog(watched, stored.get(watched.runId))),
  ]
}

/** Every accepted request is exactly one run, and there is no run that nobody asked for. */
function requestsAreRuns({ requests, stored: entries }: Observed, stored: Map<string, StoredRun>): string[] {
  const problems: string[] = []
  const keyOf = new Map<string, string>()
  for (const { key, runIds } of requests) {
    if (runIds.length === 0) problems.push(`request ${key} was never accepted`)
    for (const runId of new Set(runIds)) {
      if (runId !== runIds[0]) problems.push(`request ${key} became run ${runIds[0]} and again run ${runId}`)
      if (!stored.has(runId)) problems.push(`request ${key} was accepted as run ${runId}, which is lost`)
      const other = keyOf.get(runId)
      if (other !== undefined && other !== key) problems.push(`requests ${other} and ${key} share run ${runId}`)
      keyOf.set(runId, key)
    }
  }
  if (new Set(entries.map(({ run }) => run.id)).size !== entries.length) problems.push('a run is listed twice')
  for (const { run } of entries) if (!keyOf.has(run.id)) problems.push(`run ${run.id} answers no request`)
  return problems
}

/** No prompt was sent twice, and none was sent that no run stands for. */
function startedOnce({ agentRuns, stored }: Observed): string[] {
  const known = new Set(stored.map(({ run }) => run.id))
  return agentRuns.flatMap(({ runId, starts }) => [
    ...(starts > 1 ? [`run ${runId} was sent to its agent ${starts} times`] : []),
    ...(known.has(runId) ? [] : [`the agent was sent run ${runId}, which the hub does not have`]),
  ])
}

function oneOutcome({ run, events }: StoredRun): string[] {
  if (!TERMINAL.includes(run.status)) return [`run ${run.id} is ${run.status}, not over`]
  const finals = events.filter(isFinal)
  const problems: string[] = []
  if (finals.length !== 1) problems.push(`run ${run.id} has ${finals.length} final events`)
  const last = events.at(-1)
  if (last && !isFinal(last)) problems.push(`run ${run.id} goes on after its final event`)
  else if (last && outcomeOf(last) !== run.status)
    problems.push(`run ${run.id} is ${run.status}, its final event says ${outcomeOf(last)}`)
  return problems
}

function gapless({ run, events }: StoredRun): string[] {
  const wrong = events.findIndex(({ seq }, at) => seq !== at + 1)
  if (wrong !== -1) return [`run ${run.id} has seq ${events[wrong]!.seq} where ${wrong + 1} belongs`]
  return events.length === run.last_seq ? [] : [`run ${run.id} has ${events.length} events and says ${run.last_seq}`]
}

/** A durable agent's run succeeds with exactly the agent's text, unless somebody stopped it. */
function durableRunsComeToTheirEnd(
  { requests, durableAgents, agentRuns }: Observed,
  stored: Map<string, StoredRun>,
): string[] {
  const texts = new Map(agentRuns.map(({ runId, text }) => [runId, text]))
  return requests.flatMap(({ agent, runIds, stopped }) => {
    const entry = stored.get(runIds[0] ?? '')
    if (!durableAgents.includes(agent) || !entry) return []
    const { run, events } = entry
    if (run.status === 'cancelled' && (stopped || run.stop_requested_at !== null)) return []
    if (run.status !== 'succeeded')
      return [`run ${run.id} of a durable agent ${run.status}: ${JSON.stringify(run.error)}`]
    const text = texts.get(run.id)
    const told = events.map((event) => (event.type === 'TEXT_MESSAGE_CONTENT' ? String(event.delta) : '')).join('')
    return [
      ...(text === undefined ? [`run ${run.id} succeeded, but its agent was never asked`] : []),
      ...(text !== undefined && told !== text
        ? [`run ${run.id} tells ${JSON.stringify(told)}, its agent said ${JSON.stringify(text)}`]
        : []),
      ...(text !== undefined && run.output !== text
        ? [`run ${run.id} has the output ${JSON.stringify(run.output)}, not ${JSON.stringify(text)}`]
        : []),
    ]
  })
}

/** A watcher saw the log from its start to its end, each event once and in order, as it is stored now. */
function watchersSawTheLog({ watcher, runId, events }: Watched, stored: StoredRun | undefined): string[] {
  if (!stored) return events.length > 0 ? [`${watcher} saw ${events.length} events of run ${runId}, which is lost`] : []
  const problems: string[] = []
  let expected = 1
  for (const event of events) {
    if (event.seq !== expected) {
      problems.push(`${watcher} of run ${runId} saw seq ${event.seq} where ${expected} belongs`)
      break
    }
    expected += 1
    const kept = stored.events[event.seq - 1]
    if (kept === undefined) problems.push(`${watcher} of run ${runId} saw seq ${event.seq}, which is lost`)
    else if (!isDeepStrictEqual(kept, event))
      problems.push(`${watcher} of run ${runId} saw ${JSON.stringify(event)}, stored is ${JSON.stringify(kept)}`)
  }
  if (problems.length === 0 && events.length < stored.events.length)
    problems.push(`${watcher} of run ${runId} was shown ${events.length} of ${stored.events.length} events`)
  return problems
}

/** AG-UI: RUN_ERROR, or RUN_FINISHED that does not wait for a person. */
export function isFinal(event: SeenEvent): boolean {
  return event.type === 'RUN_ERROR' || (event.type === 'RUN_FINISHED' && outcomeTypeOf(event) !== 'interrupt')
}

function outcomeOf(event: SeenEvent): string {
  if (event.type === 'RUN_ERROR') return 'failed'
  return outcomeTypeOf(event) === 'cancelled' ? 'cancelled' : 'succeeded'
}

function outcomeTypeOf({ outcome }: SeenEvent): unknown {
  return outcome !== null && typeof outcome === 'object' && 'type' in outcome ? outcome.type : undefined
}
