import { setTimeout as delay } from 'node:timers/promises'
import type { Approval, Run, RunEvent } from '../core/index.ts'
import { askApproval, toCommands, toQuestion } from './ask-approval.ts'
import { type EventPrinter, eventPrinter } from './event-printer.ts'
import { CliError, exitCode } from './exit-code.ts'
import type { HubClient } from './hub-client.ts'
import { onInterrupt } from './interrupt.ts'
import type { Terminal } from './terminal.ts'

export type Followed = {
  run: Run
  /** ended: it has its outcome; detached: the person left, it goes on; stopped: the person ended it. */
  how: 'ended' | 'detached' | 'stopped'
}

type Options = {
  terminal: Terminal
  json: boolean
  after?: number
  /**
   * What Ctrl-C does without a terminal to ask at: a script that is ended ends its run, a mere watcher leaves it.
   * `ignore`: somebody else listens to it, and ends this by `signal`.
   */
  onSignal: 'stop' | 'detach' | 'ignore'
  signal?: AbortSignal
}

/** How long a lost hub is waited for: a restart takes seconds. */
const RECONNECT_MS = 60_000

/**
 * Shows a run until it is over. Survives a restart of the hub: events go on after the last one seen. At a terminal it asks
 * what the run asks, and Ctrl-C offers to stop or to leave; a second Ctrl-C leaves at once.
 */
export async function followRun(hub: HubClient, started: Run, options: Options): Promise<Followed> {
  const { terminal, json } = options
  const printer = eventPrinter(terminal)
  const leaving = new AbortController()
  const gate = openGate()
  const asked = askedApprovals(hub, terminal, printer, gate)
  const left: { how: Followed['how'] } = { how: 'ended' }
  /** Events are read as they come and shown in order; only showing waits while the person is asked something. */
  let printing: Promise<void> = Promise.resolve()

  const stop = async (): Promise<void> => {
    left.how = 'stopped'
    terminal.note(terminal.errColors.dim('Stopping the run…'))
    await hub.post(`/api/v1/runs/${started.id}/stop`, {}).catch((error: unknown) => {
      // It was over before the request came: its outcome is what is shown.
      if (!(error instanceof CliError && error.code === 'run_finished')) throw error
    })
  }
  const leave = (): void => {
    left.how = 'detached'
    leaving.abort()
  }
  const failed = (error: unknown): void => leaving.abort(error)
  options.signal?.addEventListener('abort', leave, { once: true })
  if (options.signal?.aborted) leave()
  const ignore = onInterrupt((times) => {
    if (options.onSignal === 'ignore') return
    if (times > 1 || left.how !== 'ended') return leave()
    if (!terminal.isInteractive || json) return options.onSignal === 'stop' ? void stop().catch(failed) : leave()
    asked.cancel()
    gate.run(() => offerStop(printer, stop, leave)).catch(failed)
  })
  try {
    const print = (event: RunEvent): void => {
      if (json) {
        terminal.out(`${JSON.stringify(event)}\n`)
        return
      }
      if (isResumed(event)) asked.cancel()
      printing = printing.then(async () => {
        await gate.opened()
        printer.print(event)
        if (isInterrupt(event)) void asked.ask(started.id).catch(failed)
      })
    }
    const run = await watchToEnd(hub, started, { after: options.after ?? 0, signal: leaving.signal, print, terminal })
    if (left.how !== 'detached') await printing
    return { run, how: left.how }
  } finally {
    ignore()
    options.signal?.removeEventListener('abort', leave)
    asked.cancel()
    printer.endBlock()
  }
}

/** Prints every event once, in order, over reconnections; returns the run as it is at the end, or when the signal aborts. */
async function watchToEnd(
  hub: HubClient,
  started: Run,
  options: { after: number; signal: AbortSignal; print: (event: RunEvent) => void; terminal: Terminal },
): Promise<Run> {
  const { signal, print, terminal } = options
  let { after } = options
  let lostAt: number | null = null
  let run = started
  for (;;) {
    try {
      for await (const event of hub.events(run.id, { after, signal })) {
        lostAt = null
        after = event.seq
        print(event)
      }
      run = await hub.get<Run>(`/api/v1/runs/${run.id}`)
      if (run.finished_at !== null && run.last_seq <= after) return run
      // The stream ended before the run did: the hub is going down, or it was over before we asked.
      await delay(200, undefined, { signal })
    } catch (error) {
      if (signal.aborted) {
        // Left on purpose, which has no reason of its own, or because something went wrong beside the stream.
        if (!(signal.reason instanceof DOMException)) throw signal.reason
        return await hub.get<Run>(`/api/v1/runs/${run.id}`).catch(() => run)
      }
      if (error instanceof CliError && error.exitCode !== exitCode.unreachable) throw error
      if (lostAt === null) {
        lostAt = Date.now()
        terminal.note(
          terminal.errColors.dim(
            'Lost the hub; waiting for it to come back. The run is not affected by this terminal.',
          ),
        )
      }
      if (Date.now() - lostAt > RECONNECT_MS) throw error instanceof CliError ? error : lost(error)
      await delay(500, undefined, { signal }).catch(() => {})
    }
  }
}

const lost = (cause: unknown): CliError =>
  new CliError('hub_unreachable', 'The connection to the hub broke and did not come back.', {
    hint: 'Start the hub with `signalbox up`, then watch the run with `signalbox watch`.',
    exitCode: exitCode.unreachable,
    cause,
  })

async function offerStop(printer: EventPrinter, stop: () => Promise<void>, leave: () => void): Promise<void> {
  const { select } = await import('@clack/prompts')
  printer.endBlock()
  const choice = await select({
    message: 'The run is at work.',
    options: [
      { value: 'stop', label: 'Stop it' },
      { value: 'detach', label: 'Detach', hint: 'it goes on; watch it later' },
      { value: 'watch', label: 'Keep watching' },
    ],
  })
  if (choice === 'stop') return await stop()
  // Ctrl-C in the question itself, too, leaves.
  if (choice !== 'watch') leave()
}

/** While the person is asked something, events wait, so that they do not write over the question. */
function openGate() {
  let busy: Promise<void> = Promise.resolve()
  return {
    opened: async (): Promise<void> => await busy,
    /** One question at a time, in order. */
    run: async (question: () => Promise<void>): Promise<void> => {
      const mine = busy.then(question)
      busy = mine.catch(() => {})
      await mine
    },
  }
}

function askedApprovals(hub: HubClient, terminal: Terminal, printer: EventPrinter, gate: ReturnType<typeof openGate>) {
  let asking = new AbortController()
  const seen = new Set<string>()
  const askOne = async (approval: Approval): Promise<void> => {
    seen.add(approval.id)
    if (!terminal.isInteractive) {
      terminal.note(toQuestion(approval, terminal))
      for (const command of toCommands(approval, terminal.command)) terminal.note(`  ${command}`)
      return
    }
    asking = new AbortController()
    try {
      const decided = await askApproval(hub, terminal, approval, asking.signal)
      if (!decided && !asking.signal.aborted)
        terminal.note(
          terminal.errColors.dim(`Still waiting; decide with \`${toCommands(approval, terminal.command)[0] ?? ''}\`.`),
        )
    } catch (error) {
      // Decided elsewhere in the meantime: the run's events tell how.
      if (!(error instanceof CliError && (error.code === 'approval_decided' || error.code === 'approval_expired')))
        throw error
    }
  }
  return {
    cancel: () => asking.abort(),
    ask: async (runId: string): Promise<void> => {
      const { pending } = await hub.get<Run>(`/api/v1/runs/${runId}`)
      const fresh = pending.filter(({ id }) => !seen.has(id))
      await gate.run(async () => {
        printer.endBlock()
        for (const approval of fresh) await askOne(approval)
      })
    },
  }
}

const isInterrupt = (event: RunEvent): boolean => event.type === 'RUN_FINISHED' && outcomeType(event) === 'interrupt'
/** Nothing is waited for any more: decided elsewhere, expired, or over. */
const isResumed = (event: RunEvent): boolean =>
  event.type === 'RUN_STARTED' || event.type === 'RUN_ERROR' || (event.type === 'RUN_FINISHED' && !isInterrupt(event))

function outcomeType(event: RunEvent): unknown {
  const { outcome } = event
  return outcome && typeof outcome === 'object' && 'type' in outcome ? outcome.type : undefined
}
