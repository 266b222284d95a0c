import { AssertionError } from 'node:assert/strict'
import { afterAll, expect, test } from 'vitest'
import type { Ref, Runtime, RuntimeKind } from '../core/index.ts'
import { startHttpAgent } from '../test/emulators/http-agent.ts'
import { type CheckName, contractChecks } from './contract.ts'
import { http } from './http/http.ts'

const agent = await startHttpAgent({ mode: 'stream', durable: true })
/** Begins the work again for each request, whatever its key. */
const forgetful = await startHttpAgent({ mode: 'stream', durable: true, idempotent: false })
afterAll(() => Promise.all([agent.close(), forgetful.close()]))

const resolved = 'a value of the vault'

function checksOf(fault: (runtime: Runtime) => Runtime, { url, starts } = agent) {
  const kind: RuntimeKind<typeof http.settings> = {
    ...http,
    open: async (settings, host) => fault(await http.open(settings, host)),
  }
  return contractChecks({
    kind,
    settings: {
      url,
      mode: 'stream',
      durable: true,
      answers: true,
      steer: true,
      sessions: true,
      usage: 'tokens',
      headers: { authorization: { secret: 'env:AGENT_TOKEN' } },
      accepts: { env: true },
      allow_private_addresses: true,
    },
    host: { resolveSecret: async () => resolved },
    boundMs: 2_500,
    starts,
    prompts: {
      succeeds: 'usage:12,5 say:hello%20 say:world',
      fails: 'fail:no%20luck',
      lasts: 'say:on sleep:60000',
      streams: 'say:one%20 sleep:100 say:two%20 message say:three%20 sleep:100 say:four',
      asks: 'ask:permission',
      recalls: { first: 'remember:tangerine', second: 'recall', says: 'tangerine' },
      steers: 'await-steer',
    },
  })
}

type Fault = { fault: (runtime: Runtime) => Runtime; red: CheckName[]; on?: typeof agent }
const never = new Promise<never>(() => {})

const faults: Record<string, Fault> = {
  'a cancel that is accepted and forgotten': {
    fault: (runtime) => ({
      ...runtime,
      send: async (ref, message, io) =>
        message.type === 'cancel' ? { result: 'accepted' } : runtime.send(ref, message, io),
    }),
    red: ['a cancelled run becomes cancelled, and a second cancel says that it is over'],
  },
  'a second cancel that says it was accepted': {
    fault: (runtime) => ({
      ...runtime,
      async send(ref, message, io) {
        const sent = await runtime.send(ref, message, io)
        return sent.result === 'already_terminal' ? { result: 'accepted' } : sent
      },
    }),
    red: ['a cancelled run becomes cancelled, and a second cancel says that it is over'],
  },
  'a stream that ignores the signal': {
    fault: (runtime) => ({
      ...runtime,
      stream: (ref, io) => runtime.stream(ref, { ...io, signal: new AbortController().signal }),
    }),
    red: ['leaving the stream ends it at once and leaves the run alone'],
  },
  'leaving the stream stops the run': {
    fault: (runtime) => ({
      ...runtime,
      stream(ref, io) {
        const stop = () =>
          void runtime.send(ref, { type: 'cancel', reason: '' }, { ...io, signal: new AbortController().signal })
        io.signal.addEventListener('abort', stop, { once: true })
        return runtime.stream(ref, io)
      },
    }),
    red: ['leaving the stream ends it at once and leaves the run alone'],
  },
  'a failure that is told as a success': {
    fault: (runtime) => ({
      ...runtime,
      async status(ref, io) {
        const { error: _, ...snapshot } = await runtime.status(ref, io)
        return snapshot.status === 'failed' ? { ...snapshot, status: 'succeeded' } : snapshot
      },
    }),
    red: ['a failure is failed, with a code and a message', 'runs at once do not mix'],
  },
  'a failure without its reason': {
    fault: (runtime) => ({
      ...runtime,
      async status(ref, io) {
        const { error: _, ...snapshot } = await runtime.status(ref, io)
        return snapshot
      },
    }),
    red: ['a failure is failed, with a code and a message'],
  },
  'a success that is told while the run is at work': {
    fault: (runtime) => ({
      ...runtime,
      async status(ref, io) {
        const snapshot = await runtime.status(ref, io)
        return snapshot.status === 'running' ? { ...snapshot, status: 'succeeded', output: 'done' } : snapshot
      },
    }),
    red: [
      'a run at work is never told as over',
      'start returns when the work is accepted and not when it is done',
      'leaving the stream ends it at once and leaves the run alone',
    ],
  },
  'a cursor that is lost: all is told again': {
    fault: (runtime) => ({ ...runtime, stream: (ref, { signal, log }) => runtime.stream(ref, { signal, log }) }),
    red: [
      'a stream that is taken up again leaves nothing out and repeats nothing',
      'a new instance goes on from the stored ref',
    ],
  },
  'messages that get new ids when they are told again': {
    fault: (runtime) => ({
      ...runtime,
      async *stream(ref, { signal, log }) {
        const attempt = Math.random()
        for await (const event of runtime.stream(ref, { signal, log }))
          yield 'messageId' in event ? { ...event, messageId: `${event.messageId}-${attempt}` } : event
      },
    }),
    red: [
      'a stream that is taken up again leaves nothing out and repeats nothing',
      'a new instance goes on from the stored ref',
    ],
  },
  'an event that is left out after a cursor': {
    fault: (runtime) => ({
      ...runtime,
      async *stream(ref, io) {
        let left = io.cursor === undefined ? 0 : 1
        for await (const event of runtime.stream(ref, io)) if (left-- <= 0) yield event
      },
    }),
    red: [
      'a stream that is taken up again leaves nothing out and repeats nothing',
      'a new instance goes on from the stored ref',
    ],
  },
  'events that come only when the run is over': {
    fault: (runtime) => ({
      ...runtime,
      async *stream(ref, io) {
        const all = []
        for await (const event of runtime.stream(ref, io)) all.push(event)
        yield* all
      },
    }),
    red: ['text comes while it is written'],
  },
  'text that is lost on the way': {
    fault: (runtime) => ({
      ...runtime,
      async *stream(ref, io) {
        for await (const event of runtime.stream(ref, io))
          yield event.type === 'text' ? { ...event, delta: event.delta.slice(1) } : event
      },
    }),
    red: ['what the stream tells joins up to the output'],
  },
  'a stream that never ends': {
    fault: (runtime) => ({
      ...runtime,
      async *stream(ref, io) {
        yield* runtime.stream(ref, io)
        await never
      },
    }),
    red: ['the stream ends when the run is over, and its status is then final'],
  },
  'a start that returns when the run is over': {
    fault: (runtime) => ({
      ...runtime,
      async start(ref, turn, io) {
        const started = await runtime.start(ref, turn, io)
        for await (const _ of runtime.stream(started, io));
        return started
      },
    }),
    red: ['start returns when the work is accepted and not when it is done', 'a run at work is never told as over'],
  },
  'runs that are taken for each other': {
    fault: (runtime) => {
      let last: Ref | null = null
      return {
        ...runtime,
        async start(ref, turn, io) {
          last = await runtime.start(ref, turn, io)
          return last
        },
        stream: (ref, io) => runtime.stream(last ?? ref, io),
        status: (ref, io) => runtime.status(last ?? ref, io),
      }
    },
    red: ['runs at once do not mix'],
  },
  'a session that is forgotten': {
    fault: (runtime) => ({
      ...runtime,
      start: (ref, turn, io) => runtime.start(ref, { ...turn, sessionId: turn.runId }, io),
    }),
    red: ['a session goes on in its next run'],
  },
  'a secret in the ref': {
    fault: (runtime) => ({ ...runtime, prepare: (turn) => ({ ...runtime.prepare(turn), env: { ...turn.env } }) }),
    red: ['prepare is pure and small, chooses the ids, and holds no secret'],
  },
  'a resolved secret in the ref, in another encoding': {
    fault: (runtime) => ({
      ...runtime,
      start: async (ref, turn, io) => ({
        ...(await runtime.start(ref, turn, io)),
        key: Buffer.from(resolved).toString('base64'),
      }),
    }),
    red: ['prepare is pure and small, chooses the ids, and holds no secret'],
  },
  'the prompt in the ref': {
    fault: (runtime) => ({ ...runtime, prepare: (turn) => ({ ...runtime.prepare(turn), prompt: turn.input.text }) }),
    red: ['prepare is pure and small, chooses the ids, and holds no secret'],
  },
  'ids that are new each time': {
    fault: (runtime) => ({ ...runtime, prepare: (turn) => ({ ...runtime.prepare(turn), nonce: Math.random() }) }),
    red: ['prepare is pure and small, chooses the ids, and holds no secret'],
  },
  'a run that lives in the instance alone': {
    fault: (runtime) => {
      const known = new Set<unknown>()
      const mine = (ref: Ref) => known.has(ref.run_id)
      return {
        ...runtime,
        start(ref, turn, io) {
          known.add(turn.runId)
          return runtime.start(ref, turn, io)
        },
        status: async (ref, io) => (mine(ref) ? runtime.status(ref, io) : { status: 'unknown' }),
      }
    },
    red: ['a new instance goes on from the stored ref'],
  },
  'an interrupt that status does not tell': {
    fault: (runtime) => ({
      ...runtime,
      async status(ref, io) {
        const { interrupts: _, ...snapshot } = await runtime.status(ref, io)
        return snapshot.status === 'awaiting_input' ? { ...snapshot, status: 'running' } : snapshot
      },
    }),
    red: ['an interrupt waits, and its answer lets the run go on'],
  },
  'an answer that does not arrive': {
    fault: (runtime) => ({
      ...runtime,
      send: async (ref, message, io) =>
        message.type === 'answer' ? { result: 'accepted' } : runtime.send(ref, message, io),
    }),
    red: ['an interrupt waits, and its answer lets the run go on', 'an interrupt that is rejected lets the run end'],
  },
  'a steer that is dropped in silence': {
    fault: (runtime) => ({
      ...runtime,
      send: async (ref, message, io) =>
        message.type === 'steer' ? { result: 'done' } : runtime.send(ref, message, io),
    }),
    red: ['a steer reaches the run at work'],
  },
  'usage that falls': {
    fault: (runtime) => ({
      ...runtime,
      status: async (ref, io) => ({ ...(await runtime.status(ref, io)), usage: { input_tokens: 1, output_tokens: 1 } }),
    }),
    red: ['usage is absolute and never falls'],
  },
  'a find that finds everything': {
    fault: (runtime) => ({ ...runtime, find: async (ref) => ref }),
    red: ['find tells what was accepted from what was not'],
  },
  'a find that finds nothing': {
    fault: (runtime) => ({ ...runtime, find: async () => null }),
    red: ['find tells what was accepted from what was not'],
  },
  'a start that begins the work each time': {
    fault: (runtime) => runtime,
    on: forgetful,
    red: ['the same run started twice is one run'],
  },
  'an unknown run that is told as succeeded': {
    fault: (runtime) => ({
      ...runtime,
      async status(ref, io) {
        const snapshot = await runtime.status(ref, io)
        return snapshot.status === 'unknown' ? { status: 'succeeded', output: '' } : snapshot
      },
    }),
    red: ['a run that was never started is unknown'],
  },
  'a health that hangs': {
    fault: (runtime) => ({ ...runtime, health: () => never }),
    red: ['its health can be read'],
  },
}

test('without a fault every check is green', { timeout: 60_000 }, async () => {
  const checks = checksOf((runtime) => runtime)
  expect(checks.length).toBeGreaterThanOrEqual(20)
  for (const { name, run } of checks) await expect(run(), name).resolves.toBeUndefined()
})

test.each(Object.entries(faults))('%s turns the contract red', { timeout: 60_000 }, async (_, { fault, red, on }) => {
  const checks = checksOf(fault, on)
  for (const name of red) {
    const check = checks.find((candidate) => candidate.name === name)
    await expect(check?.run(), name).rejects.toBeInstanceOf(AssertionError)
  }
})

test('every check that can be red was red for some fault', () => {
  const seen = new Set(Object.values(faults).flatMap(({ red }) => red))
  expect(
    checksOf((runtime) => runtime)
      .map(({ name }) => name)
      .filter((name) => !seen.has(name)),
  ).toEqual([])
})

test('a check that is skipped with a reason is left out, and no other', () => {
  const subject = { kind: http, settings: { url: agent.url }, prompts: { succeeds: 'a', fails: 'b', lasts: 'c' } }
  const all = contractChecks(subject).map(({ name }) => name)
  const left = contractChecks({ ...subject, skip: { 'its health can be read': 'it has none' } }).map(({ name }) => name)
  expect(all.filter((name) => !left.includes(name))).toEqual(['its health can be read'])
})
