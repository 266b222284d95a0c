/** From a tool's answer, or from what it threw, to the result that goes over the wire. */
import type { CallToolResult } from '@modelcontextprotocol/server'
import { faultTrace, type Log, newId, toErrorBody } from '../core/index.ts'
import type { Answer } from './tool.ts'

export function toToolResult(answer: Answer<unknown>): CallToolResult {
  return {
    content: [
      { type: 'text', text: answer.text },
      ...(answer.links ?? []).map((link) => ({ type: 'resource_link' as const, ...link })),
    ],
    // Every output schema is an object schema.
    structuredContent: answer.structured as Record<string, unknown>,
  }
}

/**
 * A refusal as a result that the model can read and act on. The structured form is in `_meta`, not in `structuredContent`:
 * clients check that against the tool's output schema even when the result is an error.
 */
export function toRefusal(error: unknown, log: Log, tool: string): CallToolResult {
  const requestId = newId('req')
  const { body } = toErrorBody(error, requestId)
  const { code, message, hint } = body.error
  if (code === 'internal') {
    log.error('mcp tool failed', {
      tool,
      request_id: requestId,
      error: faultTrace(error),
    })
  }
  const text = [`${code}: ${message}`, hint, ...(code === 'internal' ? [`request_id: ${requestId}`] : [])].join('\n')
  return { content: [{ type: 'text', text }], isError: true, _meta: { 'signalbox/error': body.error } }
}
