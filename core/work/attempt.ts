import { faultMessage, HubError } from '../errors.ts'
import {
  type Answer,
  type Cancel,
  type Log,
  type Ref,
  type Runtime,
  type RuntimeEvent,
  RuntimeRejection,
  type Snapshot,
  type Turn,
} from '../ports.ts'
import { isTerminal } from '../shapes.ts'
import type { RunMessage } from './lease.ts'
import type { Recorder } from './recorder.ts'
import type { Outcome } from './settle.ts'

/** How long a run that was told to stop may take before it is settled as cancelled all the same. */
const CANCEL_GRACE_MS = 15_000
const RECONNECT_MS = [250, 500, 1_000, 2_000, 5_000]
/** How long `status` may fail before the outcome counts as unknown. */
const STATUS_PATIENCE_MS = 60_000
/** The longest time that a timer takes. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

export type AttemptInput = {
  runtime: Runtime
  turn: Turn
  recorder: Recorder
  log: Log
  /** What an earlier holder got to. */
  phase: 'new' | 'starting' | 'started'
  ref: Ref | null
  cursor: string | null
  repeatSafe: boolean
  stopRequested: boolean
  limits: { silenceMs: number; tokens: number | null; turns: number | null }
  /** Messages to the run, as they come; ends with the signal. */
  messages(signal: AbortSignal): AsyncIterable<RunMessage>
  handled(message: RunMessage, result: string): Promise<void>
  saveArtifact(fact: Extract<RuntimeEvent, { type: 'artifact' }>): Promise<void>
  /** Aborts when the lease is lost or the hub stops: the run goes on elsewhere. */
  signal: AbortSignal
}

type Why = 'stop' | 'deadline' | 'silence' | 'tokens' | 'turns' | 'input'

/**
 * Does one run with its runtime, from wherever it stands to its outcome. The prompt is sent at most once unless repeating
 * is safe; the stream is a hint, and what `status` says is what is settled. Returns null when the signal took the run away.
 */
export async function attempt(input: AttemptInput): Promise<{ outcome: Outcome; ref: Ref } | null> {
  const { runtime, turn, recorder, log, signal } = input
  const own = new AbortController()
  const either = AbortSignal.any([signal, own.signal])
  const io = { signal: either, log }
  const deadline = recorder.deadlineAt() ?? turn.deadline
  let ref: Ref = input.ref ?? runtime.prepare(turn)
  /** The last cursor that the runtime told: where a broken stream goes on. */
  let cursor = input.cursor ?? undefined
  let ending: { why: Why; at: number; message: string } | null = null
  let stopTold: Promise<void> | null = null

  try {
    const accepted = await accept()
    if ('outcome' in accepted) return { outcome: accepted.outcome, ref }
    ref = accepted.ref
    recorder.note({ ref, phase: 'started' })
    return await follow()
  } finally {
    own.abort()
  }

  /** Brings the run to acceptance, or finds that an earlier holder did, or that nobody can know. */
  async function accept(): Promise<{ ref: Ref } | { outcome: Outcome }> {
    if (input.phase === 'started') return { ref }
    if (input.phase === 'starting') {
      const found = await recover()
      if (found !== 'start') return found
    }
    if (input.stopRequested) return { outcome: { status: 'cancelled', output: null } }
    signal.throwIfAborted()
    try {
      const leftMs = Math.max(1, deadline.getTime() - Date.now())
      const inTime = AbortSignal.any([either, AbortSignal.timeout(Math.min(leftMs, MAX_TIMEOUT_MS))])
      return { ref: await runtime.start(ref, turn, { ...io, signal: inTime }) }
    } catch (error) {
      if (signal.aborted) throw error
      return await afterFailedStart(error)
    }
  }

  /** The ref is stored, and nobody knows whether the prompt was sent. */
  async function recover(): Promise<{ ref: Ref } | { outcome: Outcome } | 'start'> {
    if (runtime.find) {
      const found = await runtime
        .find(ref, turn, io)
        .catch((error: unknown) => log.warn('find failed', { error: faultMessage(error) }))
      if (found) return { ref: found }
      if (found === null) return 'start'
    }
    if (input.repeatSafe) return 'start'
    const snapshot = await ask().catch(() => null)
    if (snapshot && snapshot.status !== 'unknown') return { ref }
    return {
      outcome: unknown('The hub stopped while it handed the prompt over, and the runtime cannot tell whether it came.'),
    }
  }

  async function afterFailedStart(error: unknown): Promise<{ ref: Ref } | { outcome: Outcome }> {
    if (error instanceof RuntimeRejection) return { outcome: failed(error.code, error.message) }
    if (error instanceof HubError) return { outcome: failed(error.code, error.message) }
    log.warn('start failed without a clear answer', { error: faultMessage(error) })
    if (runtime.find) {
      const found = await runtime.find(ref, turn, io).catch(() => undefined)
      if (found) return { ref: found }
      if (found === null && Date.now() >= deadline.getTime())
        return { outcome: failed('deadline_exceeded', 'The runtime did not take the prompt within limits.seconds.') }
      if (found === null)
        return { outcome: failed('runtime_unavailable', `The runtime did not take the prompt: ${faultMessage(error)}`) }
    }
    const snapshot = await ask().catch(() => null)
    if (snapshot && snapshot.status !== 'unknown') return { ref }
    return { outcome: unknown(`The connection broke while the prompt was handed over: ${faultMessage(error)}`) }
  }

  /** Streams, answers, watches the clocks, until the run is over. */
  async function follow(): Promise<{ outcome: Outcome; ref: Ref } | null> {
    const listening = hear()
    let lostSince = 0
    let silences = 0
    let retold = false
    if (input.stopRequested) end('stop', 'stop requested')
    try {
      for (let tries = 0; !signal.aborted; ) {
        const stream = new AbortController()
        const consuming = consume(AbortSignal.any([either, stream.signal]))
        let ended = await watch(consuming)
        stream.abort()
        await consuming.catch(() => {})
        if (signal.aborted) break
        const snapshot = await ask().catch((error: unknown) => {
          log.warn('status failed', { error: faultMessage(error) })
          return null
        })
        if (signal.aborted) break
        if (snapshot && (isTerminalSnapshot(snapshot) || snapshot.status === 'unknown')) {
          // A stream that broke may have kept the end to itself: heard once more where the runtime can tell it again.
          if (ended === 'broke' && !retold && snapshot.status !== 'unknown') {
            retold = true
            continue
          }
          return { outcome: conclude(snapshot), ref }
        }
        // Also for a stream that ends at once each time, so that no clock is looked at while it is open.
        const clock = readClocks()
        if (clock === 'silent') ended = 'silent'
        if (overdue()) return { outcome: conclude(null), ref }
        if (snapshot) {
          lostSince = 0
          for (const interrupt of snapshot.interrupts ?? []) recorder.tell({ type: 'interrupt', interrupt })
          if (ended === 'silent') {
            silences = snapshot.status === 'running' && !recorder.isWaiting() ? silences + 1 : 0
            recorder.touch()
            if (silences >= 2)
              end(
                'silence',
                `The runtime has said nothing for ${Math.round((2 * input.limits.silenceMs) / 1000)} seconds.`,
              )
          }
        } else {
          lostSince ||= Date.now()
          if (Date.now() - lostSince > STATUS_PATIENCE_MS)
            return { outcome: unknown('The runtime cannot be reached any more to ask for the outcome.'), ref }
        }
        if (ended === 'ended' || ended === 'broke' || !snapshot)
          await pause(RECONNECT_MS[Math.min(tries++, RECONNECT_MS.length - 1)]!, either)
      }
      return null
    } finally {
      own.abort()
      await listening
      await stopTold?.catch(() => {})
    }
  }

  async function consume(within: AbortSignal): Promise<void> {
    for await (const fact of runtime.stream(ref, {
      signal: within,
      log,
      ...(cursor === undefined ? {} : { cursor }),
    })) {
      if (within.aborted) return
      if (fact.type === 'artifact') await keep(fact)
      else recorder.tell(fact)
      if (fact.cursor !== undefined) cursor = fact.cursor
      if (fact.type === 'usage') checkLimits()
      await recorder.room()
    }
  }

  /** A file that the hub does not take (too large) is told, and what comes after it is heard. */
  async function keep(fact: Extract<RuntimeEvent, { type: 'artifact' }>): Promise<void> {
    try {
      await input.saveArtifact(fact)
    } catch (error) {
      if (!(error instanceof HubError)) throw error
      recorder.tell({ type: 'progress', message: `A file was not kept: ${error.message}` })
    }
  }

  /** Until the stream is over or a clock says that it is time to ask. */
  async function watch(consuming: Promise<void>): Promise<'ended' | 'broke' | 'silent' | 'time'> {
    // No Promise.race with the stream: each tick would leave a reaction on its promise, and a run may wait for days.
    const over = new AbortController()
    const done = consuming
      .then(
        () => 'ended' as const,
        (error: unknown) => {
          if (!either.aborted) log.warn('stream broke', { error: faultMessage(error) })
          return 'broke' as const
        },
      )
      .finally(() => over.abort())
    const ends = AbortSignal.any([either, over.signal])
    while (!ends.aborted) {
      await pause(Math.max(10, Math.min(nextClock() - Date.now(), 1_000)), ends)
      if (ends.aborted) break
      const clock = readClocks()
      if (clock !== null) return clock
    }
    return await done
  }

  /** Ends what has taken too long; tells when it is time to ask. */
  function readClocks(): 'time' | 'silent' | null {
    if (ending) return overdue() ? 'time' : null
    if (recorder.isWaiting()) return null
    const deadline = recorder.deadlineAt()
    if (deadline && Date.now() >= deadline.getTime()) end('deadline', 'The run took longer than limits.seconds allows.')
    else if (recorder.silentMs() >= input.limits.silenceMs) return 'silent'
    return null
  }

  function nextClock(): number {
    if (ending) return ending.at + CANCEL_GRACE_MS
    if (recorder.isWaiting()) return Date.now() + 5_000
    const silence = Date.now() + input.limits.silenceMs - recorder.silentMs()
    return Math.min(silence, recorder.deadlineAt()?.getTime() ?? silence)
  }

  function checkLimits(): void {
    const used = recorder.usage()
    const { tokens, turns } = input.limits
    if (tokens !== null && (used.input_tokens ?? 0) + (used.output_tokens ?? 0) > tokens)
      end('tokens', `The run used more than ${tokens} tokens.`)
    if (turns !== null && (used.model_calls ?? 0) > turns) end('turns', `The run made more than ${turns} model calls.`)
  }

  /** Tells the runtime to stop, once; what it was doing then decides the outcome. */
  function end(why: Why, message: string): void {
    if (ending) return
    ending = { why, at: Date.now(), message }
    stopTold = tellStop({ type: 'cancel', reason: message })
  }

  async function tellStop(cancel: Cancel): Promise<void> {
    try {
      await runtime.send(ref, cancel, io)
    } catch (error) {
      if (either.aborted) return
      const cannot = error instanceof HubError && error.code === 'runtime_cannot'
      recorder.tell({
        type: 'progress',
        message: cannot
          ? 'This runtime cannot be told to stop: it may work on by itself.'
          : 'The runtime did not confirm the stop.',
      })
      log.warn('cancel failed', { error: faultMessage(error) })
    }
  }

  /** Listens until the run is over, also when messages cannot be read for a while. Never rejects. */
  async function hear(): Promise<void> {
    /** Taken to the runtime, whether or not that could be stored. */
    const taken = new Map<string, string>()
    while (!either.aborted) {
      try {
        return await listen(taken)
      } catch (error) {
        if (either.aborted) return
        log.warn('messages to the run could not be read', { run: turn.runId, error: faultMessage(error) })
        await pause(1_000, either)
      }
    }
  }

  /** Takes what is said to the run to the runtime, in order. */
  async function listen(taken: Map<string, string>): Promise<void> {
    const handled = async (message: RunMessage, result: string) => {
      taken.set(message.id, result)
      await input.handled(message, result)
    }
    for await (const message of input.messages(either)) {
      const before = taken.get(message.id)
      if (before !== undefined) {
        await input.handled(message, before)
        continue
      }
      switch (message.type) {
        case 'cancel':
          end('stop', typeof message.body.reason === 'string' ? message.body.reason : 'stop requested')
          await stopTold
          await handled(message, 'done')
          break
        case 'steer':
          await handled(message, await deliver({ type: 'steer', text: String(message.body.text) }))
          break
        case 'answer': {
          // The shape is the one that core stored with the decision.
          const { expired, ...body } = message.body as Omit<Answer, 'type'> & { expired?: boolean }
          const result = await deliver({ ...body, type: 'answer' })
          if (expired && result === 'failed')
            end('input', 'Nobody answered in time, and the runtime did not take a no.')
          recorder.resolve(body.interruptId)
          await handled(message, result)
        }
      }
    }
  }

  async function deliver(message: Answer | { type: 'steer'; text: string }): Promise<string> {
    for (let tries = 0; ; tries++) {
      try {
        const sent = await runtime.send(ref, message, io)
        if (sent.ref) {
          ref = sent.ref
          recorder.note({ ref })
        }
        recorder.touch()
        return sent.result
      } catch (error) {
        if (either.aborted) throw error
        const refused = error instanceof HubError || error instanceof RuntimeRejection
        log.warn('message to the run failed', { type: message.type, error: faultMessage(error) })
        if (refused || tries >= 2) {
          recorder.tell({ type: 'progress', message: `The runtime did not take the ${message.type}.` })
          return 'failed'
        }
        await pause(RECONNECT_MS[tries]!, either)
      }
    }
  }

  function ask(): Promise<Snapshot> {
    return runtime.status(ref, { signal: AbortSignal.any([either, AbortSignal.timeout(30_000)]), log })
  }

  function overdue(): boolean {
    return ending !== null && Date.now() - ending.at >= CANCEL_GRACE_MS
  }

  /** The outcome is a function of what the runtime says and of what was asked of it. */
  function conclude(snapshot: Snapshot | null): Outcome {
    if (snapshot?.usage) recorder.tell({ type: 'usage', usage: snapshot.usage })
    const output = snapshot?.output ?? null
    if (snapshot?.status === 'succeeded') return { status: 'succeeded', output }
    if (ending) return ended(ending.why, ending.message, output)
    if (snapshot?.status === 'cancelled') return { status: 'cancelled', output }
    if (snapshot?.status === 'failed')
      return {
        status: 'failed',
        output,
        error: snapshot.error ?? { code: 'runtime_failed', message: 'The runtime failed the run without a reason.' },
      }
    return unknown('The runtime no longer knows this run.')
  }
}

function ended(why: Why, message: string, output: string | null): Outcome {
  switch (why) {
    case 'stop':
      return { status: 'cancelled', output }
    case 'deadline':
      return { status: 'failed', output, error: { code: 'deadline_exceeded', message } }
    case 'silence':
      return { status: 'failed', output, error: { code: 'runtime_silent', message } }
    case 'input':
      return { status: 'failed', output, error: { code: 'input_expired', message } }
    case 'tokens':
      return { status: 'failed', output, error: { code: 'limit_tokens', message } }
    case 'turns':
      return { status: 'failed', output, error: { code: 'limit_turns', message } }
  }
}

const failed = (code: string, message: string): Outcome => ({
  status: 'failed',
  output: null,
  error: { code, message },
})
const unknown = (message: string): Outcome => failed('outcome_unknown', message)

function isTerminalSnapshot(snapshot: Snapshot): boolean {
  return snapshot.status !== 'unknown' && isTerminal(snapshot.status)
}

/** Never rejects; the signal ends it early. */
export function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, delayMs)
    signal.addEventListener('abort', done, { once: true })
  })
}
