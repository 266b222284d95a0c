import { HubError } from '../errors.ts'
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
    try {
      return { ref: await runtime.start(ref, turn, io) }
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
        .catch((error: unknown) => log.warn('find failed', { error: String(error) }))
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
    log.warn('start failed without a clear answer', { error: String(error) })
    if (runtime.find) {
      const found = await runtime.find(ref, turn, io).catch(() => undefined)
      if (found) return { ref: found }
      if (found === null)
        return { outcome: failed('runtime_unavailable', `The runtime did not take the prompt: ${String(error)}`) }
    }
    const snapshot = await ask().catch(() => null)
    if (snapshot && snapshot.status !== 'unknown') return { ref }
    return { outcome: unknown(`The connection broke while the prompt was handed over: ${String(error)}`) }
  }

  /** Streams, answers, watches the clocks, until the run is over. */
  async function follow(): Promise<{ outcome: Outcome; ref: Ref } | null> {
    const listening = listen()
    let lostSince = 0
    let silences = 0
    let retold = false
    if (input.stopRequested) end('stop', 'stop requested')
    try {
      for (let tries = 0; !signal.aborted; ) {
        const stream = new AbortController()
        const consuming = consume(AbortSignal.any([either, stream.signal]))
        const ended = await watch(consuming)
        stream.abort()
        await consuming.catch(() => {})
        if (signal.aborted) break
        const snapshot = await ask().catch((error: unknown) => {
          log.warn('status failed', { error: String(error) })
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
        if (ended === 'ended' || ended === 'broke')
          await pause(RECONNECT_MS[Math.min(tries++, RECONNECT_MS.length - 1)]!, either)
        else if (ended === 'event') tries = 0
      }
      return null
    } finally {
      own.abort()
      await listening.catch(() => {})
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
      if (fact.type === 'artifact') await input.saveArtifact(fact)
      else recorder.tell(fact)
      if (fact.cursor !== undefined) cursor = fact.cursor
      if (fact.type === 'usage') checkLimits()
      await recorder.room()
    }
  }

  /** Until the stream is over or a clock says that it is time to ask. */
  async function watch(consuming: Promise<void>): Promise<'ended' | 'broke' | 'silent' | 'time' | 'event'> {
    const done = consuming.then(
      () => 'ended' as const,
      (error: unknown) => {
        if (!either.aborted) log.warn('stream broke', { error: String(error) })
        return 'broke' as const
      },
    )
    while (!either.aborted) {
      const wait = Math.max(10, Math.min(nextClock() - Date.now(), 1_000))
      const first = await Promise.race([done, pause(wait, either).then(() => 'tick' as const)])
      if (first !== 'tick') return first
      if (ending) {
        if (overdue()) return 'time'
        continue
      }
      if (recorder.isWaiting()) continue
      const deadline = recorder.deadlineAt()
      if (deadline && Date.now() >= deadline.getTime())
        end('deadline', 'The run took longer than limits.seconds allows.')
      else if (recorder.silentMs() >= input.limits.silenceMs) return 'silent'
    }
    return await done
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
      log.warn('cancel failed', { error: String(error) })
    }
  }

  /** Takes what is said to the run to the runtime, in order. */
  async function listen(): Promise<void> {
    for await (const message of input.messages(either)) {
      switch (message.type) {
        case 'cancel':
          end('stop', typeof message.body.reason === 'string' ? message.body.reason : 'stop requested')
          await stopTold
          await input.handled(message, 'done')
          break
        case 'steer':
          await input.handled(message, await deliver({ type: 'steer', text: String(message.body.text) }))
          break
        case 'answer': {
          // The shape is the one that core stored with the decision.
          const { expired, ...body } = message.body as Omit<Answer, 'type'> & { expired?: boolean }
          const result = await deliver({ ...body, type: 'answer' })
          if (expired && result === 'failed')
            end('input', 'Nobody answered in time, and the runtime did not take a no.')
          recorder.resolve(body.interruptId)
          await input.handled(message, result)
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
        log.warn('message to the run failed', { type: message.type, error: String(error) })
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
