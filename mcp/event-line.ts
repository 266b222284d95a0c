import type { RunEvent } from '../core/index.ts'
import { shorten } from './run-answer.ts'

/** One line about an event of a run's log (AG-UI names) for people and models; the event itself has the particulars. */
export function toEventLine(event: RunEvent): string {
  const text = (key: string): string => {
    const value = event[key]
    return typeof value === 'string' ? shorten(value.replaceAll(/\s+/g, ' ').trim(), 200) : ''
  }
  switch (event.type) {
    case 'RUN_STARTED':
      return 'run started'
    case 'RUN_FINISHED':
      return isInterrupt(event) ? 'waiting for input' : 'run finished'
    case 'RUN_ERROR':
      return `run failed: ${text('message')}`
    case 'TEXT_MESSAGE_CONTENT':
    case 'REASONING_MESSAGE_CONTENT':
      return text('delta')
    case 'TOOL_CALL_START':
      return `tool ${text('toolCallName')} started`
    case 'TOOL_CALL_ARGS':
      return `arguments ${text('delta')}`
    case 'TOOL_CALL_RESULT':
      return `result: ${text('content')}`
    case 'STEP_STARTED':
    case 'STEP_FINISHED':
      return `${event.type === 'STEP_STARTED' ? 'started' : 'finished'} ${text('stepName')}`
    case 'CUSTOM':
      return text('name')
    default:
      return event.type.toLowerCase().replaceAll('_', ' ')
  }
}

function isInterrupt(event: RunEvent): boolean {
  const { outcome } = event
  return typeof outcome === 'object' && outcome !== null && 'type' in outcome && outcome.type === 'interrupt'
}
