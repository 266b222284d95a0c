/** What one run of the scripted HTTP agent is and does; see http-agent.ts for the commands. */
import type { ServerResponse } from 'node:http'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'

export type AgentEvent = { type: string; [field: string]: unknown }
type Option = { id: string; label: string; kind: string }
type Interrupt = { id: string; kind: string; message: string; tool: string; arguments: unknown; options: Option[] }
export type AgentAnswer = { option?: Option; text?: string }

/** The request that started the run, as far as the script looks at it. */
export type RunRequest = {
  run_id: string
  session_id: string
  input: { text: string; files: { name: string; content_base64: string }[] }
  config: Record<string, unknown>
  callback: { url: string } | null
}

export type AgentRun = {
  id: string
  events: AgentEvent[]
  status: 'running' | 'awaiting_input' | 'succeeded' | 'failed' | 'cancelled'
  text: string
  error?: { message: string }
  usage?: { input_tokens: number; output_tokens: number; model_calls: number }
  interrupts: Map<string, { interrupt: Interrupt; resolve(answer: AgentAnswer): void }>
  steers: string[]
  steered: Set<(text: string) => void>
  cancel: AbortController
  stubborn: boolean
  bytewise: boolean
  /** Wakes whoever follows the run. */
  changed: Set<() => void>
  connections: Set<ServerResponse>
}

export const isOver = ({ status }: AgentRun) => status === 'succeeded' || status === 'failed' || status === 'cancelled'

/** Begins the work; the run changes by itself from here on. `memory` is the session's. */
export function beginRun(request: RunRequest, memory: string[], onFinish: (run: AgentRun) => void): AgentRun {
  const run: AgentRun = {
    id: request.run_id,
    events: [],
    status: 'running',
    text: '',
    interrupts: new Map(),
    steers: [],
    steered: new Set(),
    cancel: new AbortController(),
    stubborn: false,
    bytewise: false,
    changed: new Set(),
    connections: new Set(),
  }
  const finish = (status: 'succeeded' | 'failed' | 'cancelled') => {
    run.status = status
    run.interrupts.clear()
    onFinish(run)
    tell(run, { type: 'finished', status, ...(run.error && { error: run.error }) })
  }
  perform(run, request, memory).then(
    () => finish('succeeded'),
    (error: unknown) => {
      if (error === ENDED) return
      if (run.cancel.signal.aborted) return finish('cancelled')
      run.error = { message: error instanceof Error ? error.message : String(error) }
      finish('failed')
    },
  )
  return run
}

const ENDED = new Error('the stream was ended without a word')

async function perform(run: AgentRun, request: RunRequest, memory: string[]): Promise<void> {
  let message = 1
  let tools = 0
  for (const part of request.input.text.split(/\s+/).filter(Boolean)) {
    if (!run.stubborn) run.cancel.signal.throwIfAborted()
    const [command = '', ...rest] = part.split(':')
    const word = decodeURIComponent(rest.join(':'))
    const message_id = `${run.id}-m${message}`
    const say = (delta: string) => {
      run.text += delta
      tell(run, { type: 'text', message_id, delta })
    }
    switch (command) {
      case 'say':
        say(word)
        break
      case 'message':
        message++
        run.text = ''
        break
      case 'snapshot':
        run.text = word
        tell(run, { type: 'text_snapshot', message_id, text: word })
        break
      case 'think':
        tell(run, { type: 'reasoning', message_id: `${message_id}-r`, delta: word })
        break
      case 'progress':
        tell(run, { type: 'progress', message: word })
        break
      case 'unknown':
        tell(run, { type: 'weather', temperature: 21 })
        break
      case 'artifact': {
        const content_base64 = Buffer.from(`content of ${word}`).toString('base64')
        tell(run, { type: 'artifact', name: word, media_type: 'text/plain', content_base64 })
        break
      }
      case 'tool': {
        const tool_call_id = `${run.id}-t${++tools}`
        tell(run, { type: 'tool_call', tool_call_id, name: word, kind: 'read', arguments: { path: 'README.md' } })
        tell(run, { type: 'tool_result', tool_call_id, content: 'done' })
        break
      }
      case 'sleep':
        await delay(Number(word), undefined, run.stubborn ? {} : { signal: run.cancel.signal })
        break
      case 'usage': {
        const [input = 0, output = 0] = word.split(',').map(Number)
        const { input_tokens, output_tokens, model_calls } = run.usage ?? {
          input_tokens: 0,
          output_tokens: 0,
          model_calls: 0,
        }
        run.usage = {
          input_tokens: input_tokens + input,
          output_tokens: output_tokens + output,
          model_calls: model_calls + 1,
        }
        tell(run, { type: 'usage', usage: run.usage })
        break
      }
      case 'ask':
        say(await askFor(run, word))
        break
      case 'await-steer':
        say(await steering(run))
        break
      case 'remember':
        memory.push(word)
        say('noted')
        break
      case 'recall':
        say(memory.join(' '))
        break
      case 'config':
        say(JSON.stringify(request.config[word] ?? null))
        break
      case 'files':
        say(
          request.input.files
            .map((file) => `${file.name}=${Buffer.from(file.content_base64, 'base64').toString()}`)
            .join(';'),
        )
        break
      case 'fail':
        throw new Error(word || 'told to fail')
      case 'cut':
        // What was said before is on its way first.
        await turn()
        for (const connection of run.connections) connection.destroy()
        break
      case 'end':
        await turn()
        for (const connection of run.connections) connection.end()
        throw ENDED
      case 'duplicate':
        run.events.push(run.events.at(-1) ?? { type: 'progress', message: 'nothing to repeat' })
        wake(run)
        break
      case 'stubborn':
        run.stubborn = true
        break
      case 'bytewise':
        run.bytewise = true
        break
      case 'status':
        break
      default:
        say(`${part} `)
    }
  }
}

async function askFor(run: AgentRun, kind: string): Promise<string> {
  const id = `${run.id}-i${run.events.length + 1}`
  const reject = { id: 'no', label: 'Reject', kind: 'reject_once' }
  const options =
    kind === 'question'
      ? [{ id: 'answer', label: 'Answer', kind: 'answer' }, reject]
      : [{ id: 'yes', label: 'Allow', kind: 'allow_once' }, reject]
  const interrupt = { id, kind, message: `May I? (${kind})`, tool: 'bash', arguments: { command: 'ls' }, options }
  run.status = 'awaiting_input'
  const answered = untilCancelled<AgentAnswer>(run, (resolve) => run.interrupts.set(id, { interrupt, resolve }))
  tell(run, { type: 'interrupt', interrupt })
  const { option, text } = await answered
  run.status = 'running'
  tell(run, { type: 'interrupt_resolved', id })
  if (!option || option.kind.startsWith('reject')) return 'denied'
  return option.kind === 'answer' ? `answered ${text}` : 'allowed'
}

async function steering(run: AgentRun): Promise<string> {
  return run.steers.shift() ?? untilCancelled<string>(run, (resolve) => run.steered.add(resolve))
}

function untilCancelled<T>(run: AgentRun, wait: (resolve: (value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    wait(resolve)
    run.cancel.signal.addEventListener('abort', () => reject(new Error('cancelled')), { once: true })
  })
}

function tell(run: AgentRun, event: AgentEvent): void {
  run.events.push(event)
  wake(run)
}

export function wake(run: AgentRun): void {
  for (const changed of run.changed) changed()
}

export function change(run: AgentRun): Promise<void> {
  return new Promise((resolve) => {
    const changed = () => {
      run.changed.delete(changed)
      resolve()
    }
    run.changed.add(changed)
  })
}
