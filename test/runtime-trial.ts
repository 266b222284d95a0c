/** One opened runtime, driven as the worker drives it: ref stored before the start, stream followed, status asked. Everything is bounded in time. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Capabilities,
  isTerminal,
  newId,
  type Ref,
  type Runtime,
  type RuntimeEvent,
  type RuntimeHost,
  type RuntimeInterrupt,
  type RuntimeIO,
  type RuntimeKind,
  type Snapshot,
  type Turn,
  type Usage,
} from '../core/index.ts'

export type TrialSubject = {
  kind: RuntimeKind
  /** Unparsed, as a config file has them. */
  settings: unknown
  host?: Partial<RuntimeHost>
  /** What turns need here beyond the defaults: a model, its endpoint. */
  makeTurn?(overrides: Partial<Turn>): Partial<Turn>
  /** How long anything but a run may take, and a run that is not meant to last; default 10 seconds. */
  boundMs?: number
  prompts: {
    /** Ends well, soon, with some text. */
    succeeds: string
    /** Ends badly, soon. */
    fails: string
    /** Goes on for minutes unless it is stopped. */
    lasts: string
    /** Asks for a permission, and ends once that is answered; needed where interrupts are declared. */
    asks?: string
    /** Tells text in several pieces over some 500 ms, then ends well. */
    streams?: string
    /** Two runs of one session: what the second says shows that it knows of the first. */
    recalls?: { first: string; second: string; says: string }
    /** Waits for a steer and then ends with what it said. */
    steers?: string
  }
  /** What the run of `succeeds` says. */
  expected?: { output: string | RegExp }
  /** How often the work of a run was begun, as its own side counts it; needed where `idempotent_start` is declared. */
  starts?: (runId: string) => number | Promise<number>
}

/** What a run has told, joined as the log joins it. */
export type Told = {
  messages: Map<string, string>
  events: RuntimeEvent[]
  interrupts: RuntimeInterrupt[]
  usage: Partial<Usage>[]
  cursor: string | undefined
}
type Begun = { turn: Turn; prepared: Ref; ref: Ref }
type Trial = ReturnType<typeof runtimeTrial>
/** What a check of the contract is given. */
export type Context = Trial & {
  subject: TrialSubject /** Values that the runtime resolved so far. */
  secrets: ReadonlySet<string>
}

export const nothingTold = (): Told => ({
  messages: new Map(),
  events: [],
  interrupts: [],
  usage: [],
  cursor: undefined,
})
const joined = (told: Told): string => [...told.messages.values()].join('')
export const isOver = ({ status }: Snapshot): boolean => status === 'unknown' || isTerminal(status)
/** What must not be found in a ref: the values that a turn carries for the agent's use. */
export const canary = `canary-${randomUUID()}`

export function runtimeTrial(
  subject: TrialSubject,
  opened: { runtime: Runtime; capabilities: Capabilities; reopen: () => Promise<Runtime> },
) {
  const { runtime, capabilities, reopen } = opened
  const boundMs = subject.boundMs ?? 10_000
  const begun: Begun[] = []
  const over = new AbortController()

  /** For one call: aborts when the call took too long and when the trial is over. */
  const io = (signal?: AbortSignal): RuntimeIO => ({
    signal: AbortSignal.any([over.signal, ...(signal ? [signal] : [])]),
    log: silent,
  })

  async function within<T>(promise: Promise<T>, what: string, ms = boundMs): Promise<T> {
    const timer = new AbortController()
    const late = delay(ms, undefined, { signal: timer.signal }).then(() =>
      assert.fail(`${what} took longer than ${ms} ms`),
    )
    try {
      return await Promise.race([promise, late])
    } finally {
      timer.abort()
      late.catch(() => {})
    }
  }

  function turn(text: string, overrides: Partial<Turn> = {}): Turn {
    const plain: Turn = {
      runId: newId('run'),
      sessionId: newId('ses'),
      agent: { id: 'agt_contract', name: 'contract', number: 1, version: 1 },
      previous: null,
      input: { text, files: [] },
      instructions: '',
      model: null,
      permissions: {},
      env: capabilities.config.env ? { CONTRACT_CANARY: canary } : {},
      skills: [],
      mcpServers: [],
      workspace: null,
      modelEndpoint: null,
      mcpEndpoint: null,
      callbackUrl: null,
      limits: {},
      deadline: new Date(Date.now() + 600_000),
      traceparent: null,
    }
    return { ...plain, ...subject.makeTurn?.(overrides), ...overrides }
  }

  /** Prepares and starts a run; refs go through JSON, as the database keeps them. */
  async function begin(text: string, overrides: Partial<Turn> = {}): Promise<Begun> {
    const given = turn(text, overrides)
    const prepared = stored(runtime.prepare(given))
    const run: Begun = { turn: given, prepared, ref: prepared }
    begun.push(run)
    run.ref = stored(await within(runtime.start(prepared, given, io()), 'start'))
    return run
  }

  const status = (ref: Ref, from = runtime) => within(from.status(ref, io()), 'status')

  /** Reads one stream until it ends, breaks, or `enough`. Goes on from the cursor of what was told before. */
  async function listen(
    ref: Ref,
    told: Told,
    enough?: (event: RuntimeEvent) => boolean,
    from = runtime,
  ): Promise<'enough' | 'ended' | 'broke'> {
    const leave = new AbortController()
    const reading = (async () => {
      try {
        for await (const event of from.stream(ref, {
          ...io(leave.signal),
          ...(told.cursor !== undefined && { cursor: told.cursor }),
        })) {
          tell(told, event)
          if (enough?.(event)) return 'enough'
        }
        return 'ended'
      } catch (error) {
        if (leave.signal.aborted) throw error
        return 'broke'
      }
    })()
    try {
      return await within(reading, 'the stream')
    } finally {
      leave.abort()
      reading.catch(() => {})
    }
  }

  /** Follows a run until it is over or waits for input, over as many streams as that takes. */
  async function follow(ref: Ref, told = nothingTold(), from = runtime): Promise<Snapshot> {
    const until = Date.now() + boundMs
    for (let retold = false; ; ) {
      const ended = await listen(ref, told, ({ type }) => type === 'interrupt', from)
      const snapshot = await status(ref, from)
      if (snapshot.status === 'awaiting_input') return snapshot
      // A stream that broke may have kept the end to itself: it is heard once more.
      if (isOver(snapshot) && (ended !== 'broke' || retold || snapshot.status === 'unknown')) return snapshot
      retold = isOver(snapshot)
      assert.ok(Date.now() < until, `the run was still ${snapshot.status} after ${boundMs} ms`)
      await delay(20)
    }
  }

  /** Asks until the run has the status. */
  async function becomes(ref: Ref, wanted: Snapshot['status']): Promise<void> {
    const until = Date.now() + boundMs
    for (let found = await status(ref); found.status !== wanted; found = await status(ref)) {
      assert.ok(Date.now() < until, `the run was ${found.status} and not ${wanted} after ${boundMs} ms`)
      await delay(20)
    }
  }

  /** Ends what the trial began, where the runtime can. */
  async function close(): Promise<void> {
    for (const { ref } of begun) {
      const snapshot = await status(ref).catch(() => null)
      if (snapshot && isOver(snapshot)) continue
      await within(runtime.send(ref, { type: 'cancel', reason: 'the trial is over' }, io()), 'cancel').catch(() => {})
    }
    over.abort()
  }

  return {
    runtime,
    capabilities,
    prompts: subject.prompts,
    reopen,
    io,
    within,
    turn,
    begin,
    status,
    listen,
    follow,
    becomes,
    close,
  }
}

/** Joins an event to what was told before, as the port says: a snapshot wins over the deltas. */
function tell(told: Told, event: RuntimeEvent): void {
  told.events.push(event)
  if (event.cursor !== undefined) told.cursor = event.cursor
  if (event.type === 'text')
    told.messages.set(event.messageId, (told.messages.get(event.messageId) ?? '') + event.delta)
  if (event.type === 'text_snapshot') told.messages.set(event.messageId, event.text)
  if (event.type === 'interrupt') told.interrupts.push(event.interrupt)
  if (event.type === 'usage') told.usage.push(event.usage)
}

/** The output is all that was said, or the last message of it. */
export function assertSays(told: Told, output: string | undefined): void {
  const last = [...told.messages.values()].at(-1)
  assert.ok(output, 'a run that succeeded has an output')
  if (output !== last) assert.equal(joined(told), output, 'what was told is not the output')
}

export const pattern = (output: string | RegExp) =>
  output instanceof RegExp ? output : new RegExp(`^${output.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`)

/** Through JSON and back, as every ref goes. Fails when that changes it. */
export function stored(ref: Ref): Ref {
  const text = JSON.stringify(ref)
  const read: Ref = JSON.parse(text)
  assert.deepEqual(read, ref, 'a ref must survive JSON')
  assert.ok(Buffer.byteLength(text) < 4_096, `a ref must be below 4096 bytes, this one has ${Buffer.byteLength(text)}`)
  return read
}

const silent = { info: () => {}, warn: () => {}, error: () => {} }
