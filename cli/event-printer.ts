import type { Run, RunEvent } from '../core/index.ts'
import { count, dollars, duration } from './figures.ts'
import { oneLine, printable, type Terminal } from './terminal.ts'

export type EventPrinter = {
  print(event: RunEvent): void
  /** Ends an open line, and sets what comes next apart: something else is written below. */
  endBlock(): void
  /** The last line of a run: status, time, tokens, cost, where to look. */
  summary(run: Run, runUrl: string): void
}

type ToolCall = { name: string; arguments: string }

/**
 * Shows a run's events (AG-UI names) as they come. The agent's text goes to `out`, so that a pipe gets the answer alone;
 * tools, questions and the summary go to `err`. On a terminal both flow together.
 */
export function eventPrinter(terminal: Terminal): EventPrinter {
  const { errColors: colors } = terminal
  const toolCalls = new Map<string, ToolCall>()
  /** What the last character written stands in; a block of another kind starts on a fresh line with a space above. */
  let block: 'start' | 'text' | 'reasoning' | 'tool' = 'start'
  let atLineStart = true
  /** Tools name files by where they are on the hub's machine; a reader knows them by their place in the session. */
  let sessionFolder: RegExp | null = null
  const inSession = (text: string): string => (sessionFolder === null ? text : text.replace(sessionFolder, ''))

  const endLine = (): void => {
    if (atLineStart) return
    // The line feed goes where the open line is, so that a pipe gets whole lines.
    if (block === 'text') terminal.out('\n')
    else terminal.err('\n')
    atLineStart = true
  }
  const endBlock = (): void => {
    endLine()
    if (terminal.isTty && block !== 'start') terminal.err('\n')
    block = 'start'
  }
  const enter = (next: typeof block): void => {
    if (block === next) return
    endLine()
    if (terminal.isTty && block !== 'start') terminal.err('\n')
    block = next
  }
  const note = (text: string): void => {
    enter('tool')
    terminal.err(`${text}\n`)
  }
  const stream = (kind: 'text' | 'reasoning', delta: string): void => {
    const text = printable(delta)
    if (text === '') return
    enter(kind)
    if (kind === 'text') terminal.out(text)
    else terminal.err(colors.dim(text))
    atLineStart = text.endsWith('\n')
  }

  const print = (event: RunEvent): void => {
    switch (event.type) {
      case 'RUN_STARTED':
        if (/^\w+$/.test(text(event.threadId))) sessionFolder = new RegExp(`/[^\\s"']*/${text(event.threadId)}/`, 'g')
        return
      case 'TEXT_MESSAGE_START':
        if (block === 'text') {
          endLine()
          terminal.out('\n')
        }
        return
      case 'TEXT_MESSAGE_CONTENT':
      case 'TEXT_MESSAGE_CHUNK':
        stream('text', text(event.delta))
        return
      case 'REASONING_MESSAGE_CONTENT':
        stream('reasoning', text(event.delta))
        return
      case 'TOOL_CALL_START':
        toolCalls.set(text(event.toolCallId), { name: text(event.toolCallName), arguments: '' })
        return
      case 'TOOL_CALL_ARGS': {
        const call = toolCalls.get(text(event.toolCallId))
        if (call) call.arguments += text(event.delta)
        return
      }
      case 'TOOL_CALL_END': {
        const call = toolCalls.get(text(event.toolCallId))
        if (call)
          note(
            `${colors.cyan('▸')} ${colors.bold(oneLine(call.name, 40))} ${colors.dim(toArgumentLine(inSession(call.arguments), terminal.width - call.name.length - 4))}`,
          )
        return
      }
      case 'TOOL_CALL_RESULT':
        note(`  ${colors.dim(toResultLine(inSession(text(event.content)), terminal.width - 2))}`)
        return
      case 'RUN_ERROR':
        endLine()
        return
      case 'CUSTOM':
        if (event.name === 'progress') note(`${colors.dim('·')} ${colors.dim(oneLine(progressOf(event.value), 400))}`)
        return
      default:
        // Framing (starts, ends, states): nothing to show.
        return
    }
  }

  return {
    print,
    endBlock,
    summary: (run, runUrl) => {
      endLine()
      if (terminal.isTty && block !== 'start') terminal.err('\n')
      for (const line of toSummary(run, runUrl, colors)) terminal.err(`${line}\n`)
      block = 'start'
    },
  }
}

const marks = {
  succeeded: { mark: '✓', color: 'green' },
  failed: { mark: '✗', color: 'red' },
  cancelled: { mark: '■', color: 'yellow' },
  awaiting_input: { mark: '?', color: 'yellow' },
  running: { mark: '…', color: 'cyan' },
  queued: { mark: '…', color: 'dim' },
} as const

/** A status with its mark and colour, the same in streams and in tables. */
export function statusMark(status: Run['status'], colors: Terminal['colors']): string {
  const { mark, color } = marks[status]
  return colors[color](mark)
}

export const paintStatus = (status: Run['status'], text: string, colors: Terminal['colors']): string =>
  colors[marks[status].color](text)

function toSummary(run: Run, runUrl: string, colors: Terminal['colors']): string[] {
  const { usage } = run
  const parts = [
    ...(run.started_at && run.finished_at ? [duration(Date.parse(run.finished_at) - Date.parse(run.started_at))] : []),
    `${count(usage.input_tokens)} tokens in, ${count(usage.output_tokens)} out`,
    ...(usage.cost_kind === 'none'
      ? []
      : [`${dollars(usage.cost_micro_usd)}${usage.cost_kind === 'estimated' ? ' (estimated)' : ''}`]),
  ]
  const status = paintStatus(run.status, run.status.replace('_', ' '), colors)
  const lines = [`${statusMark(run.status, colors)} ${status} ${colors.dim(`· ${parts.join(' · ')}`)}`]
  if (run.error)
    lines.push(`  ${oneLine(`${run.error.message} (${run.error.code})`, 400)}`, `  ${colors.dim(run.error.hint)}`)
  lines.push(`  ${colors.dim(runUrl)}`, `  ${colors.dim(`session ${run.session_id}`)}`)
  return lines
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** `path=notes.md, limit=20` rather than JSON: arguments are read at a glance. */
function toArgumentLine(json: string, width: number): string {
  let values: unknown
  try {
    values = JSON.parse(json)
  } catch {
    return oneLine(json, width)
  }
  if (!values || typeof values !== 'object') return oneLine(json, width)
  const entries = Object.entries(values).map(([name, value]): [string, string] => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  const [only] = entries
  return oneLine(
    entries.length === 1 && only ? only[1] : entries.map(([name, value]) => `${name}=${value}`).join(', '),
    width,
  )
}

function toResultLine(result: string, width: number): string {
  const content = printable(result).trim()
  const lines = content === '' ? 0 : content.split('\n').length
  const first = oneLine(content.split('\n').find((line) => line.trim() !== '') ?? 'done', width - 14)
  return lines > 1 ? `${first} (+${lines - 1} lines)` : first
}

function progressOf(value: unknown): string {
  if (typeof value === 'string') return value
  return value && typeof value === 'object' && 'message' in value ? text(value.message) : ''
}
