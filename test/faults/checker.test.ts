import { expect, test } from 'vitest'
import { check } from './checker.ts'
import type { Observed, SeenEvent, StoredRun } from './observed.ts'

const at = '2026-01-01T00:00:00.000Z'

const log = (): SeenEvent[] => [
  { seq: 1, at, type: 'RUN_STARTED' },
  { seq: 2, at, type: 'TEXT_MESSAGE_CONTENT', delta: 'a b ' },
  { seq: 3, at, type: 'TEXT_MESSAGE_CONTENT', delta: 'c' },
  { seq: 4, at, type: 'RUN_FINISHED', outcome: { type: 'success' } },
]

const run = (id: string): StoredRun => ({
  run: { id, agent: 'steady', status: 'succeeded', last_seq: 4, output: 'a b c', error: null, stop_requested_at: null },
  events: log(),
})

/** Two requests, two runs, three watchers, nothing wrong. */
const whole = (): Observed => ({
  requests: [
    { key: 'k1', agent: 'steady', prompt: 'p', runIds: ['r1', 'r1'], stopped: false },
    { key: 'k2', agent: 'steady', prompt: 'p', runIds: ['r2'], stopped: false },
  ],
  watched: [
    { watcher: 'w1', runId: 'r1', events: log() },
    { watcher: 'w2', runId: 'r1', events: log() },
    { watcher: 'w3', runId: 'r2', events: log() },
  ],
  agentRuns: [
    { runId: 'r1', starts: 1, text: 'a b c' },
    { runId: 'r2', starts: 1, text: 'a b c' },
  ],
  stored: [run('r1'), run('r2')],
  durableAgents: ['steady'],
})

test('nothing is found where nothing is wrong', () => {
  expect(check(whole())).toEqual([])
})

test('an interrupt in the middle is no final event, and a stopped run may be cancelled', () => {
  const observed = whole()
  observed.requests[0]!.stopped = true
  observed.stored[0]!.run.status = 'cancelled'
  observed.stored[0]!.events[1] = { seq: 2, at, type: 'RUN_FINISHED', outcome: { type: 'interrupt', interrupts: [] } }
  observed.stored[0]!.events[3] = { seq: 4, at, type: 'RUN_FINISHED', outcome: { type: 'cancelled' } }
  observed.watched = []
  expect(check(observed)).toEqual([])
})

test('a run of an agent that is not durable may fail, once', () => {
  const observed = whole()
  observed.durableAgents = []
  observed.watched = []
  observed.stored[0]!.run.status = 'failed'
  observed.stored[0]!.events[3] = { seq: 4, at, type: 'RUN_ERROR', code: 'outcome_unknown', message: '' }
  expect(check(observed)).toEqual([])
})

const planted: [fault: string, plant: (observed: Observed) => void, found: RegExp][] = [
  ['a request that was never accepted', (o) => (o.requests[1]!.runIds = []), /k2 was never accepted/],
  ['an accepted request that is lost', (o) => o.stored.pop(), /k2 was accepted as run r2, which is lost/],
  ['a request that became two runs', (o) => o.requests[0]!.runIds.push('r2'), /k1 became run r1 and again run r2/],
  ['a run twice in the list', (o) => o.stored.push(run('r1')), /listed twice/],
  ['a run that nobody asked for', (o) => o.stored.push(run('r3')), /run r3 answers no request/],
  ['a prompt that was sent twice', (o) => (o.agentRuns[0]!.starts = 2), /r1 was sent to its agent 2 times/],
  ['a prompt sent for a run that is not there', (o) => (o.agentRuns[0]!.runId = 'r9'), /was sent run r9/],
  ['a run that is never over', (o) => (o.stored[0]!.run.status = 'running'), /r1 is running, not over/],
  ['two final events', (o) => (o.stored[0]!.events[2] = { seq: 3, at, type: 'RUN_ERROR' }), /r1 has 2 final events/],
  ['no final event', (o) => (o.stored[0]!.events[3] = { seq: 4, at, type: 'CUSTOM' }), /r1 has 0 final events/],
  ['events after the final one', (o) => o.stored[0]!.events.push({ seq: 5, at, type: 'CUSTOM' }), /r1 goes on after/],
  [
    'a final event that says otherwise than the run',
    (o) => (o.stored[0]!.events[3] = { seq: 4, at, type: 'RUN_ERROR' }),
    /r1 is succeeded, its final event says failed/,
  ],
  ['a gap in the log', (o) => o.stored[0]!.events.splice(1, 1), /r1 has seq 3 where 2 belongs/],
  ['a seq used twice', (o) => (o.stored[0]!.events[2]!.seq = 2), /r1 has seq 2 where 3 belongs/],
  ['a log shorter than the run says', (o) => (o.stored[0]!.run.last_seq = 5), /r1 has 4 events and says 5/],
  [
    'a run of a durable agent that failed',
    (o) => {
      o.stored[0]!.run.status = 'failed'
      o.stored[0]!.events[3] = { seq: 4, at, type: 'RUN_ERROR' }
    },
    /r1 of a durable agent failed/,
  ],
  ['text told twice', (o) => (o.stored[0]!.events[2]!.delta = 'b c'), /r1 tells "a b b c", its agent said "a b c"/],
  ['an output that is not the text', (o) => (o.stored[0]!.run.output = 'a b'), /r1 has the output "a b"/],
  ['an agent never asked', (o) => o.agentRuns.shift(), /r1 succeeded, but its agent was never asked/],
  ['a gap at a watcher', (o) => o.watched[0]!.events.splice(1, 1), /w1 of run r1 saw seq 3 where 2 belongs/],
  [
    'a repeat at a watcher',
    (o) => o.watched[0]!.events.splice(1, 0, log()[0]!),
    /w1 of run r1 saw seq 1 where 2 belongs/,
  ],
  ['a watcher that came in late', (o) => o.watched[0]!.events.shift(), /w1 of run r1 saw seq 2 where 1 belongs/],
  ['a watcher that was shown less', (o) => o.watched[0]!.events.pop(), /w1 of run r1 was shown 3 of 4 events/],
  [
    'an event that a watcher saw and that is gone',
    (o) => {
      o.stored[0]!.events.pop()
      o.stored[0]!.run.last_seq = 3
    },
    /w1 of run r1 saw seq 4, which is lost/,
  ],
  [
    'an event that a watcher saw otherwise',
    (o) => (o.watched[0]!.events[1]!.delta = 'x'),
    /w1 of run r1 saw .*"x".*stored is/,
  ],
  ['a watched run that is lost', (o) => (o.watched[0]!.runId = 'r7'), /w1 saw 4 events of run r7, which is lost/],
]

test.each(planted)('%s is found', (_, plant, found) => {
  const observed = whole()
  plant(observed)
  expect(check(observed).join('\n')).toMatch(found)
})
