import * as z from 'zod'
import {
  type Answer,
  type Capabilities,
  HubError,
  type Ref,
  type Runtime,
  type RuntimeEvent,
  type RuntimeKind,
  RuntimeRejection,
  type Snapshot,
  type Turn,
} from '../core/index.ts'

/** One run in the life of a scripted runtime: it goes on whoever watches, as a runtime outside of the hub does. */
type Scripted = {
  turn: Turn
  told: RuntimeEvent[]
  status: Snapshot['status']
  error?: Snapshot['error']
  output: string
  waiting: Map<string, (answer: Answer) => void>
  cancel: AbortController
  wakes: Set<() => void>
}

/**
 * A runtime whose prompts say what it does, a step a word: `say:TEXT`, `tool:NAME`, `sleep:MS`, `ask:QUESTION`, `permit:TOOL`,
 * `usage:INPUT,OUTPUT`, `fail:MESSAGE`, `reject:MESSAGE`, `last` (until cancelled), `deaf` (ignores a cancel), `silent`.
 * Anything else is said as it is. It stands for a runtime outside of the hub, so that one `world` may serve many hubs.
 */
export function scriptedWorld() {
  const runs = new Map<string, Scripted>()
  const starts: string[] = []
  const peaks = new Map<string, { now: number; peak: number }>()
  const heard: { runId: string; type: string; text: string }[] = []

  function tell(run: Scripted, fact: RuntimeEvent): void {
    run.told.push({ ...fact, cursor: String(run.told.length + 1) })
    for (const wake of run.wakes) wake()
    run.wakes.clear()
  }

  async function play(run: Scripted): Promise<void> {
    run.status = 'running'
    let message = 0
    for (const step of run.turn.input.text.split(' ')) {
      if (run.cancel.signal.aborted) break
      const [word, ...rest] = step.split(':')
      const value = rest.join(':').replaceAll('_', ' ')
      switch (word) {
        case 'say': {
          const messageId = `${run.turn.runId}-m${++message}`
          for (const delta of value.match(/.{1,7}/gs) ?? []) tell(run, { type: 'text', messageId, delta })
          run.output = value
          break
        }
        case 'tool':
          tell(run, {
            type: 'tool_call',
            toolCallId: `${run.turn.runId}-t${++message}`,
            name: value,
            kind: 'execute',
            arguments: { of: run.turn.runId },
          })
          tell(run, { type: 'tool_result', toolCallId: `${run.turn.runId}-t${message}`, content: `${value} done` })
          break
        case 'sleep':
          await sleep(Number(value), run.cancel.signal)
          break
        case 'last':
          await sleep(600_000, run.cancel.signal)
          break
        case 'deaf':
        case 'silent':
          await sleep(600_000, new AbortController().signal)
          break
        case 'usage': {
          const [input_tokens = 0, output_tokens = 0] = value.split(',').map(Number)
          tell(run, {
            type: 'usage',
            usage: { input_tokens, output_tokens, model_calls: 1, cost_micro_usd: input_tokens, cost_kind: 'list' },
          })
          break
        }
        case 'ask':
        case 'permit': {
          const id = `${run.turn.runId}-i${++message}`
          const answered = new Promise<Answer>((resolve) => run.waiting.set(id, resolve))
          const permission = word === 'permit'
          run.status = 'awaiting_input'
          tell(run, {
            type: 'interrupt',
            interrupt: {
              id,
              kind: permission ? 'permission' : 'question',
              message: permission ? `May I use ${value}?` : value,
              ...(permission ? { tool: value, arguments: { path: '/etc/motd' } } : {}),
              options: permission
                ? [
                    { id: 'once', label: 'Allow once', kind: 'allow_once' },
                    { id: 'reject', label: 'Reject', kind: 'reject_once' },
                  ]
                : [],
            },
          })
          const answer = await Promise.race([answered, sleep(600_000, run.cancel.signal).then(() => null)])
          run.waiting.delete(id)
          if (answer) {
            run.status = 'running'
            const text = `answer ${answer.text ?? answer.option.id}`
            tell(run, { type: 'text', messageId: `${run.turn.runId}-m${++message}`, delta: text })
            run.output = text
          }
          break
        }
        case 'fail':
          run.error = { code: 'runtime_failed', message: value }
          run.status = 'failed'
          wake(run)
          return
        default: {
          run.output = run.turn.input.text
          tell(run, { type: 'text', messageId: `${run.turn.runId}-m${++message}`, delta: `${step} ` })
        }
      }
    }
    run.status = run.cancel.signal.aborted ? 'cancelled' : 'succeeded'
    wake(run)
  }

  function wake(run: Scripted): void {
    for (const resolve of run.wakes) resolve()
    run.wakes.clear()
  }

  const runtime: Runtime = {
    kind: 'scripted',
    health: async () => ({
      status: 'ok',
      version: '1',
      models: ['scripted/one'],
      message: null,
      remedy: null,
      checked_at: new Date().toISOString(),
    }),
    prepare: (turn) => ({ run: turn.runId }),
    async start(ref, turn) {
      const rejected = /reject:(\S+)/.exec(turn.input.text)
      if (rejected) throw new RuntimeRejection('runtime_rejected', rejected[1]!)
      starts.push(turn.runId)
      const run: Scripted = {
        turn,
        told: [],
        status: 'queued',
        output: '',
        waiting: new Map(),
        cancel: new AbortController(),
        wakes: new Set(),
      }
      runs.set(turn.runId, run)
      const { name } = turn.agent
      const load = peaks.get(name) ?? { now: 0, peak: 0 }
      peaks.set(name, { now: load.now + 1, peak: Math.max(load.peak, load.now + 1) })
      void play(run).finally(() => {
        peaks.get(name)!.now -= 1
      })
      return { ...ref, started: true }
    },
    find: async (ref) => (runs.has(idOf(ref)) ? { ...ref, started: true } : null),
    async *stream(ref, { cursor, signal }) {
      const run = runs.get(idOf(ref))
      if (!run) throw new Error('no such run')
      for (let at = Number(cursor ?? 0); !signal.aborted; ) {
        if (at < run.told.length) yield run.told[at++]!
        else if (run.status === 'running' || run.status === 'queued' || run.status === 'awaiting_input') {
          await new Promise<void>((resolve) => {
            const done = () => {
              signal.removeEventListener('abort', done)
              run.wakes.delete(done)
              resolve()
            }
            run.wakes.add(done)
            signal.addEventListener('abort', done, { once: true })
          })
        } else return
      }
    },
    async status(ref) {
      const run = runs.get(idOf(ref))
      if (!run) return { status: 'unknown' }
      return { status: run.status, output: run.output, ...(run.error ? { error: run.error } : {}) }
    },
    async send(ref, message) {
      const run = runs.get(idOf(ref))
      if (!run) throw new HubError('runtime_cannot', 'The run is not known.')
      heard.push({
        runId: run.turn.runId,
        type: message.type,
        text: message.type === 'steer' ? message.text : message.type === 'cancel' ? message.reason : message.option.id,
      })
      if (message.type === 'cancel') run.cancel.abort()
      if (message.type === 'steer')
        tell(run, { type: 'text', messageId: `${run.turn.runId}-steer`, delta: `steered: ${message.text}` })
      if (message.type === 'answer') run.waiting.get(message.interruptId)?.(message)
      return { result: 'accepted' }
    },
  }

  const kind: RuntimeKind = {
    kind: 'scripted',
    title: 'Scripted',
    builtIn: 'scripted',
    settings: z.strictObject({ replica: z.boolean().optional(), files: z.boolean().optional() }),
    capabilities: (settings): Capabilities => ({
      continue: true,
      deltas: true,
      resume: 'cursor',
      cancel: 'cooperative',
      steer: true,
      interrupts: ['permission', 'question'],
      usage: 'run',
      cost: true,
      idempotent_start: false,
      placement: (settings as { replica?: boolean }).replica ? 'replica' : 'anywhere',
      config: {
        instructions: 'replace',
        model: true,
        env: true,
        skills: false,
        mcp_servers: false,
        permissions: true,
        files: (settings as { files?: boolean }).files ?? true,
      },
    }),
    open: () => runtime,
  }
  /** `starts`: the run ids in the order in which they were started; `heard`: what was sent to runs; `peak`: most runs of an agent at once. */
  return { kind, runtime, runs, starts, heard, peak: (agent: string) => peaks.get(agent)?.peak ?? 0 }
}

function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const timer = setTimeout(resolve, delayMs)
    timer.unref()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

const idOf = (ref: Ref): string => (typeof ref.run === 'string' ? ref.run : '')
