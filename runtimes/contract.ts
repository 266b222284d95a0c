/**
 * What core relies on, as named checks: every runtime passes those that its capabilities promise. What a runtime does not
 * promise is not checked; a check that applies is left out only by the subject, with a reason.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { type Capabilities, HubError, type Runtime, type RuntimeHost } from '../core/index.ts'
import * as messages from '../test/runtime-checks/messages.ts'
import * as outcome from '../test/runtime-checks/outcome.ts'
import * as start from '../test/runtime-checks/start.ts'
import * as stream from '../test/runtime-checks/stream.ts'
import { type Context, runtimeTrial, type TrialSubject } from '../test/runtime-trial.ts'

export type ContractSubject = TrialSubject & { skip?: Partial<Record<CheckName, string>> }
export type CheckName = keyof typeof checks
export type Check = { name: CheckName; run: () => Promise<void> }

const checks = {
  'prepare is pure and small, chooses the ids, and holds no secret': start.prepareIsPure,
  'start returns when the work is accepted and not when it is done': start.startReturnsOnAcceptance,
  'a run at work is never told as over': start.runAtWorkIsNotOver,
  'what the stream tells joins up to the output': stream.textJoinsUp,
  'text comes while it is written': stream.textComesEarly,
  'the stream ends when the run is over, and its status is then final': outcome.endIsFinal,
  'a failure is failed, with a code and a message': outcome.failureIsFailed,
  'a cancelled run becomes cancelled, and a second cancel says that it is over': outcome.cancelCancels,
  'leaving the stream ends it at once and leaves the run alone': stream.leavingLeavesTheRun,
  'a stream that is taken up again leaves nothing out and repeats nothing': stream.streamIsTakenUpAgain,
  'runs at once do not mix': stream.runsDoNotMix,
  'a session goes on in its next run': outcome.sessionGoesOn,
  'an interrupt waits, and its answer lets the run go on': messages.interruptIsAnswered,
  'an interrupt that is rejected lets the run end': messages.interruptIsRejected,
  'a steer reaches the run at work': messages.steerReachesTheRun,
  'usage is absolute and never falls': outcome.usageNeverFalls,
  'find tells what was accepted from what was not': start.findTells,
  'the same run started twice is one run': start.startedTwiceIsOne,
  'a run that was never started is unknown': start.neverStartedIsUnknown,
  'what it cannot do it refuses as runtime_cannot': messages.refusesWhatItCannot,
  'its health can be read': start.healthCanBeRead,
  'a new instance goes on from the stored ref': stream.newInstanceGoesOn,
} satisfies Record<string, (context: Context) => Promise<void>>

/** Whether the capabilities promise what a check looks at. */
const promised: Partial<Record<CheckName, (can: Capabilities) => boolean>> = {
  'text comes while it is written': (can) => can.deltas,
  'a cancelled run becomes cancelled, and a second cancel says that it is over': (can) => can.cancel !== 'none',
  'a stream that is taken up again leaves nothing out and repeats nothing': (can) => can.resume !== 'none',
  'a session goes on in its next run': (can) => can.continue,
  'an interrupt waits, and its answer lets the run go on': (can) => can.interrupts.length > 0,
  'an interrupt that is rejected lets the run end': (can) => can.interrupts.length > 0,
  'a steer reaches the run at work': (can) => can.steer,
  'usage is absolute and never falls': (can) => can.usage !== 'none',
  'the same run started twice is one run': (can) => can.idempotent_start,
  'what it cannot do it refuses as runtime_cannot': (can) =>
    !can.steer || can.interrupts.length === 0 || can.cancel === 'none',
}

/** The checks that apply, each with an instance of its own; what a check began, it ends. */
export function contractChecks(subject: ContractSubject): Check[] {
  return checksOn(subject, async (run) => {
    const opened = await openRuntime(subject)
    try {
      await run(opened)
    } finally {
      await opened.close()
    }
  })
}

/** Registers the checks with vitest, all on one instance. */
export function runtimeContract(subject: ContractSubject): void {
  describe(`${subject.kind.kind} keeps the contract of runtimes`, () => {
    let opening: Promise<Opened> | null = null
    const shared = () => {
      opening ??= openRuntime(subject)
      return opening
    }
    afterAll(async () => (await opening)?.close())
    const timeout = 6 * (subject.boundMs ?? 10_000)
    for (const check of checksOn(subject, async (use) => use(await shared())))
      test(`${check.name}`, { timeout }, check.run)
    for (const [name, reason] of Object.entries(subject.skip ?? {})) test(`${name}`, ({ skip }) => skip(reason))
  })
}

type Opened = { runtime: Runtime; secrets: Set<string>; reopen: () => Promise<Runtime>; close(): Promise<void> }

function checksOn(
  subject: ContractSubject,
  withRuntime: (use: (opened: Opened) => Promise<void>) => Promise<void>,
): Check[] {
  const capabilities = subject.kind.capabilities(subject.kind.settings.parse(subject.settings))
  // The keys of the table are the names.
  const names = (Object.keys(checks) as CheckName[]).filter(
    (name) => promised[name]?.(capabilities) !== false && subject.skip?.[name] === undefined,
  )
  return names.map((name) => ({
    name,
    run: () =>
      withRuntime(async ({ runtime, secrets, reopen }) => {
        const trial = runtimeTrial(subject, { runtime, capabilities, reopen })
        try {
          await checks[name]({ ...trial, subject, secrets })
        } finally {
          await trial.close()
        }
      }),
  }))
}

async function openRuntime(subject: ContractSubject): Promise<Opened> {
  const dataDir = subject.host?.dataDir ?? (await mkdtemp(join(tmpdir(), 'signalbox-contract-')))
  const secrets = new Set<string>()
  const host: RuntimeHost = {
    runtimeId: 'rtm_contract',
    name: 'contract',
    dataDir,
    // Nothing comes by callback unless the subject brings an inbox.
    inbox: (_runId, _afterSeq, signal) => nothingUntil(signal),
    log: { info: () => {}, warn: () => {}, error: () => {} },
    ...subject.host,
    resolveSecret: async (reference) => {
      const value = await (subject.host?.resolveSecret?.(reference) ??
        Promise.reject(new HubError('secret_unresolved', `nothing at ${reference}`)))
      secrets.add(value)
      return value
    },
  }
  const instances: Runtime[] = []
  const open = async () => {
    const runtime = await subject.kind.open(subject.kind.settings.parse(subject.settings), host)
    instances.push(runtime)
    return runtime
  }
  return {
    runtime: await open(),
    secrets,
    // As after a crash: the first instance was not closed, and knows nothing of the second.
    reopen: open,
    async close() {
      for (const instance of instances.reverse()) await instance.close?.()
      if (subject.host?.dataDir === undefined) await rm(dataDir, { recursive: true, force: true })
    },
  }
}

function nothingUntil(signal: AbortSignal): AsyncIterable<never> {
  const next = async () => {
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    return { done: true as const, value: undefined }
  }
  return { [Symbol.asyncIterator]: () => ({ next }) }
}
