/** OpenCode's events and messages as facts about one run. Pure: no network, no clock. */
import type { RuntimeEvent, RuntimeInterrupt, ToolKind, Usage } from '../../core/index.ts'
import type {
  Message,
  MessageInfo,
  Part,
  PermissionRequest,
  QuestionRequest,
  SessionStatus,
  ToolState,
} from './client.ts'
import type { NativeEvent } from './event-feed.ts'
import { beginsRun } from './message-id.ts'

/** What was told of a text so far. `deaf`: its beginning was not heard, so it is told as a whole when it is complete. */
type Told = { reasoning: boolean; text: string; done: boolean; deaf: boolean }

/** Follows one run: the prompt with this id and what answers it, up to the prompt of the next run. */
export function translation(promptId: string) {
  /** Assistant messages of this run. */
  const answers = new Set<string>()
  const prompts = new Set<string>([promptId])
  const texts = new Map<string, Told>()
  const called = new Set<string>()
  const resulted = new Set<string>()
  const steps = new Map<string, Partial<Usage>>()
  const partOfCall = new Map<string, string>()

  function live({ type, properties }: NativeEvent): RuntimeEvent[] {
    switch (type) {
      case 'message.updated':
        noteMessage(properties.info as MessageInfo)
        return []
      case 'message.part.updated':
        return part(properties.part as Part, true)
      case 'message.part.delta':
        return delta(properties as { messageID: string; partID: string; field: string; delta: string })
      case 'permission.asked':
        return [{ type: 'interrupt', interrupt: permissionInterrupt(properties as PermissionRequest, partOfCall) }]
      case 'question.asked':
        return [{ type: 'interrupt', interrupt: questionInterrupt(properties as QuestionRequest, partOfCall) }]
      case 'permission.replied':
      case 'question.replied':
      case 'question.rejected':
        return [{ type: 'interrupt_resolved', id: String(properties.requestID) }]
      case 'session.status':
        return status(properties.status as SessionStatus)
      default:
        // The bus tells much that is not about the run's course (titles, diffs, files, todos): none of it is lost, it is in the parts.
        return []
    }
  }

  /** What happened so far, from the run's messages: texts as snapshots, tools, usage. Telling it again adds nothing new. */
  function history(messages: Message[]): RuntimeEvent[] {
    return messages.flatMap(({ info, parts }) => {
      noteMessage(info)
      return parts.flatMap((item) => part(item, false))
    })
  }

  /** The stream was interrupted: what is under way was not heard to its end. */
  function lostSight(): void {
    for (const told of texts.values()) if (!told.done) told.deaf = true
  }

  function noteMessage(info: MessageInfo): void {
    if (info.role === 'user') {
      // What OpenCode or a person adds while the run is at work belongs to it.
      if (!beginsRun(info.id)) prompts.add(info.id)
    } else if (info.parentID !== undefined && prompts.has(info.parentID)) answers.add(info.id)
  }

  function part(item: Part, isLive: boolean): RuntimeEvent[] {
    if (!answers.has(item.messageID)) return []
    switch (item.type) {
      case 'text':
        return item.synthetic ? [] : text(item, false, isLive)
      case 'reasoning':
        return text(item, true, isLive)
      case 'tool':
        partOfCall.set(`${item.messageID}:${item.callID}`, item.id)
        return tool(item)
      case 'step-finish':
        if (steps.has(item.id)) return []
        steps.set(item.id, toUsage(item))
        return [{ type: 'usage', usage: total(steps.values()) }]
      case 'step-start':
        return []
      default:
        // Kinds that OpenCode has besides (patches, snapshots, retries) and those it may get: none carries what a run says or does.
        return []
    }
  }

  function text(
    item: { id: string; text: string; time?: { end?: number } },
    reasoning: boolean,
    isLive: boolean,
  ): RuntimeEvent[] {
    const told = texts.get(item.id) ?? { reasoning, text: '', done: false, deaf: !isLive }
    texts.set(item.id, told)
    if (item.time?.end === undefined || told.done) return []
    told.done = true
    if (!reasoning)
      return item.text === '' || item.text === told.text
        ? []
        : [{ type: 'text_snapshot', messageId: item.id, text: item.text }]
    // Thoughts have no snapshot: only the rest of what was heard is told, and nothing of what is over when we come.
    const rest = isLive && item.text.startsWith(told.text) ? item.text.slice(told.text.length) : ''
    return rest === '' ? [] : [{ type: 'reasoning', messageId: item.id, delta: rest }]
  }

  function delta({
    messageID,
    partID,
    field,
    delta,
  }: {
    messageID: string
    partID: string
    field: string
    delta: string
  }): RuntimeEvent[] {
    const told = texts.get(partID)
    if (!told || told.deaf || told.done || field !== 'text' || !answers.has(messageID)) return []
    told.text += delta
    return [{ type: told.reasoning ? 'reasoning' : 'text', messageId: partID, delta }]
  }

  function tool({ id, tool: name, state }: { id: string; tool: string; state: ToolState }): RuntimeEvent[] {
    if (state.status === 'pending') return []
    const told: RuntimeEvent[] = []
    if (!called.has(id)) {
      called.add(id)
      told.push({ type: 'tool_call', toolCallId: id, name, kind: kindOf(name), arguments: state.input })
    }
    if (state.status === 'running' || resulted.has(id)) return told
    resulted.add(id)
    if (state.status === 'error')
      told.push({ type: 'tool_result', toolCallId: id, content: state.error, isError: true })
    else told.push({ type: 'tool_result', toolCallId: id, content: state.output })
    return told
  }

  return { live, history, lostSight }
}

function status(now: SessionStatus): RuntimeEvent[] {
  if (now.type !== 'retry') return []
  return [{ type: 'progress', message: `The model call failed (try ${now.attempt}) and is repeated: ${now.message}` }]
}

/** Counters of a run: the sum of its steps. The last message alone has those of its own step only. */
export function usageOf(messages: Message[]): Partial<Usage> {
  return total(
    messages.flatMap(({ parts }) => parts.flatMap((item) => (item.type === 'step-finish' ? [toUsage(item)] : []))),
  )
}

/** OpenCode counts the prompt without what came from the cache; `input_tokens` is the whole prompt. */
function toUsage({ tokens }: Extract<Part, { type: 'step-finish' }>): Partial<Usage> {
  const { input, output, reasoning, cache } = tokens
  return {
    input_tokens: input + cache.read + cache.write,
    output_tokens: output + reasoning,
    cache_read_tokens: cache.read,
    cache_write_tokens: cache.write,
    model_calls: 1,
  }
}

function total(all: Iterable<Partial<Usage>>): Partial<Usage> {
  const sum = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0, model_calls: 0 }
  for (const one of all) for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += one[key] ?? 0
  return sum
}

const KINDS: Record<string, ToolKind> = {
  read: 'read',
  glob: 'search',
  grep: 'search',
  edit: 'edit',
  write: 'edit',
  apply_patch: 'edit',
  bash: 'execute',
  webfetch: 'fetch',
  todowrite: 'think',
}

const kindOf = (tool: string): ToolKind => KINDS[tool] ?? 'other'

type Calls = ReadonlyMap<string, string>

/** A tool call is known by the id of its part: providers use the same call id again in later steps. */
const callOf = (request: { tool?: { messageID: string; callID: string } }, calls: Calls) => {
  const id = request.tool && calls.get(`${request.tool.messageID}:${request.tool.callID}`)
  return id === undefined ? {} : { toolCallId: id }
}

/** The parts that tool calls of these messages have. */
export function callsOf(messages: Message[]): Calls {
  return new Map(
    messages.flatMap(({ parts }) =>
      parts.flatMap((item) => (item.type === 'tool' ? [[`${item.messageID}:${item.callID}`, item.id] as const] : [])),
    ),
  )
}

export function permissionInterrupt(request: PermissionRequest, calls: Calls): RuntimeInterrupt {
  const { id, permission, patterns, metadata } = request
  const subject = typeof metadata.command === 'string' ? metadata.command : patterns.join(', ')
  return {
    id,
    kind: 'permission',
    message: `${permission}: ${subject}`,
    tool: permission,
    ...callOf(request, calls),
    arguments: { ...metadata, patterns },
    options: [
      { id: 'allow_once', label: 'Allow once', kind: 'allow_once' },
      { id: 'allow_always', label: 'Allow for this session', kind: 'allow_always' },
      { id: 'reject', label: 'Reject', kind: 'reject_once' },
    ],
  }
}

/** One interrupt for one request, which may hold several questions; only a single question with one answer offers its choices. */
export function questionInterrupt(request: QuestionRequest, calls: Calls): RuntimeInterrupt {
  const { id, questions } = request
  const [first] = questions
  const choices = questions.length === 1 && first && !first.multiple ? first.options : []
  return {
    id,
    kind: 'question',
    message: questions
      .map((question, index) => describe(question, questions.length > 1 ? `${index + 1}. ` : ''))
      .join('\n'),
    tool: 'question',
    ...callOf(request, calls),
    arguments: { questions },
    options: [
      ...choices.map(({ label }, index) => ({ id: `choice_${index + 1}`, label, kind: 'answer' as const })),
      { id: 'dismiss', label: 'Dismiss', kind: 'reject_once' },
    ],
  }
}

function describe({ question, options, multiple }: QuestionRequest['questions'][number], number: string): string {
  if (options.length === 0) return `${number}${question}`
  return `${number}${question} (${multiple ? 'any of: ' : ''}${options.map(({ label }) => label).join(', ')})`
}

/** The answers to a request, one list for each question: a line of the text for each, several choices of one set apart by commas. */
export function answersTo(
  { questions }: Pick<QuestionRequest, 'questions'>,
  given: { label?: string; text?: string },
): string[][] {
  if (given.label !== undefined && given.text === undefined)
    return questions.map((_, index) => (index === 0 ? [given.label!] : []))
  const text = (given.text ?? '').trim()
  const lines = questions.length > 1 ? text.split('\n').map((line) => line.replace(/^\d+[.)]\s*/, '').trim()) : [text]
  return questions.map(({ options, multiple }, index) => {
    const line = lines[index] ?? ''
    if (line === '') return []
    const labels = (multiple ? line.split(',').map((item) => item.trim()) : [line]).filter((item) => item !== '')
    return labels.map((item) => options.find(({ label }) => label.toLowerCase() === item.toLowerCase())?.label ?? item)
  })
}
