import type { RunEvent } from '../../core/index.ts'

/** A run as people read it: what was said, thought and done, in order. */
export type Block =
  | { kind: 'text' | 'reasoning'; text: string }
  | { kind: 'tool'; name: string; arguments: string; result: string | null; failed: boolean }
  | { kind: 'note'; text: string }

/** What an event did to the transcript; `at` is the place of the block, the same in every reading of the same log. */
export type Change =
  | { type: 'added'; at: number; block: Block }
  | { type: 'appended'; at: number; text: string }
  | { type: 'changed'; at: number; block: Block }

/** Folds the events of one run, in order of seq, into blocks. Events that say nothing to a reader change nothing. */
export function createTranscript() {
  const blocks: Block[] = []
  const places = new Map<string, number>()

  function add(key: string, block: Block): Change[] {
    const at = blocks.push(block) - 1
    places.set(key, at)
    return [{ type: 'added', at, block }]
  }

  function say(kind: 'text' | 'reasoning', id: string, delta: string): Change[] {
    const at = places.get(`${kind}:${id}`)
    const block = at === undefined ? undefined : blocks[at]
    if (at === undefined || block === undefined || block.kind !== kind)
      return add(`${kind}:${id}`, { kind, text: delta })
    block.text += delta
    return [{ type: 'appended', at, text: delta }]
  }

  function work(id: string, change: (tool: Extract<Block, { kind: 'tool' }>) => void): Change[] {
    const at = places.get(`tool:${id}`)
    const block = at === undefined ? undefined : blocks[at]
    if (at === undefined || block?.kind !== 'tool') return []
    change(block)
    return [{ type: 'changed', at, block }]
  }

  return {
    blocks,
    apply(event: RunEvent): Change[] {
      const { type } = event
      if (type === 'TEXT_MESSAGE_CONTENT') return say('text', text(event.messageId), text(event.delta))
      if (type === 'REASONING_MESSAGE_CONTENT') return say('reasoning', text(event.messageId), text(event.delta))
      if (type === 'TOOL_CALL_START') {
        const name = text(event.toolCallName)
        return add(`tool:${text(event.toolCallId)}`, { kind: 'tool', name, arguments: '', result: null, failed: false })
      }
      if (type === 'TOOL_CALL_ARGS') {
        return work(text(event.toolCallId), (tool) => {
          tool.arguments += text(event.delta)
        })
      }
      if (type === 'TOOL_CALL_RESULT') {
        return work(text(event.toolCallId), (tool) => {
          tool.result = text(event.content)
          tool.failed = failed(event.metadata)
        })
      }
      if (type === 'CUSTOM' && event.name === 'progress') {
        return add(`note:${event.seq}`, { kind: 'note', text: text(messageOf(event.value)) })
      }
      return []
    },
  }
}

/** Fields of events are unknown here: an adapter's text is shown, anything else as JSON. */
function text(value: unknown): string {
  if (typeof value === 'string') return value
  return value === undefined || value === null ? '' : JSON.stringify(value)
}

function failed(metadata: unknown): boolean {
  return metadata !== null && typeof metadata === 'object' && 'is_error' in metadata && metadata.is_error === true
}

function messageOf(value: unknown): unknown {
  return value !== null && typeof value === 'object' && 'message' in value ? value.message : value
}
