/**
 * The offline demo model behind OpenAI's Chat Completions, so that a real harness works for real without a provider:
 * fixed rules (demo-rules.ts), no intelligence, no network. It says so in every answer.
 */
import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import * as z from 'zod'
import { type DemoMessage, demoReply } from './demo-rules.ts'
import type { DemoTool } from './demo-tools.ts'

/** The only model that the provider `demo` has. */
export const DEMO_MODEL = 'demo'

const Content = z
  .union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))])
  .nullish()

export const DemoRequest = z.object({
  model: z.string(),
  messages: z
    .array(
      z.object({
        role: z.string(),
        content: Content,
        tool_call_id: z.string().optional(),
        tool_calls: z
          .array(z.object({ id: z.string(), function: z.object({ name: z.string(), arguments: z.string() }) }))
          .optional(),
      }),
    )
    .min(1),
  tools: z
    .array(
      z.object({
        function: z.object({
          name: z.string(),
          parameters: z.object({ properties: z.record(z.string(), z.unknown()).optional() }).optional(),
        }),
      }),
    )
    .optional(),
  stream: z.boolean().optional(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
})
export type DemoRequest = z.infer<typeof DemoRequest>

/** Time, as an argument: tests let none pass. Resolves early or throws when the signal aborts. */
export type Pause = (delayMs: number, signal: AbortSignal) => Promise<unknown>

const WORDS_APART_MS = 10

type DemoCaller = {
  outgoing: ServerResponse
  onStart: (contentType: string) => void
  tee: (chunk: Uint8Array) => void
  pause: Pause
}

/** Writes the answer to the caller's response while it comes. Stops when the caller goes away. */
export async function sendDemoAnswer(
  request: DemoRequest,
  caller: DemoCaller,
): Promise<{ ending: 'passed' | 'aborted' }> {
  const { outgoing, onStart, tee, pause } = caller
  const contentType = request.stream ? 'text/event-stream' : 'application/json'
  const abort = new AbortController()
  outgoing.once('close', () => abort.abort())
  onStart(contentType)
  outgoing.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-cache' })
  try {
    for await (const piece of demoAnswer(request, pause, abort.signal)) {
      if (outgoing.destroyed) return { ending: 'aborted' }
      const chunk = Buffer.from(piece)
      outgoing.write(chunk)
      tee(chunk)
    }
  } catch (error) {
    if (abort.signal.aborted) return { ending: 'aborted' }
    throw error
  }
  outgoing.end()
  return { ending: 'passed' }
}

type Delta = { role?: 'assistant'; content?: string; tool_calls?: unknown[] }

/**
 * The body of the answer, in pieces as they come: events for `stream`, else one JSON document at the end.
 * The same request gets the same text. Token counts are estimates: four characters are one.
 */
export async function* demoAnswer(request: DemoRequest, pause: Pause, signal: AbortSignal): AsyncGenerator<string> {
  const reply = demoReply(request.messages.map(toMessage), (request.tools ?? []).map(toTool))
  const calls = reply.type === 'calls' ? reply.calls : []
  const turn = idOf(request)
  const toolCalls = calls.map((call, index) => ({
    id: `call_${turn}_${index}`,
    type: 'function' as const,
    function: { name: call.name, arguments: JSON.stringify(call.arguments) },
  }))
  const finish = calls.length > 0 ? 'tool_calls' : 'stop'
  const id = `chatcmpl-demo-${turn}`
  const head = { id, created: 0, model: DEMO_MODEL }
  const pieces = reply.type === 'text' ? piecesOf(reply.text) : reply.type === 'paced' ? reply.pieces : []
  const apartMs = reply.type === 'paced' ? reply.everyMs : WORDS_APART_MS
  const usage = usageOf(request, pieces.join('') + (calls.length > 0 ? JSON.stringify(calls) : ''))

  const event = (delta: Delta, finishReason: string | null) =>
    `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finishReason }] })}\n\n`
  if (request.stream) {
    yield event({ role: 'assistant', content: '' }, null)
    if (toolCalls.length > 0) yield event({ tool_calls: toolCalls.map((call, index) => ({ index, ...call })) }, null)
  }
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) await pause(apartMs, signal)
    if (request.stream) yield event({ content: piece }, null)
  }
  if (request.stream) {
    yield event({}, finish)
    if (request.stream_options?.include_usage) {
      yield `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [], usage })}\n\n`
    }
    yield 'data: [DONE]\n\n'
    return
  }
  const message = {
    role: 'assistant',
    content: calls.length > 0 ? null : pieces.join(''),
    ...(calls.length > 0 ? { tool_calls: toolCalls } : {}),
  }
  yield JSON.stringify({
    ...head,
    object: 'chat.completion',
    choices: [{ index: 0, message, finish_reason: finish }],
    usage,
  })
}

function toMessage({ role, content, tool_calls, tool_call_id }: DemoRequest['messages'][number]): DemoMessage {
  const text = typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join('\n')
  return {
    role,
    text,
    calls: (tool_calls ?? []).map((call) => ({
      id: call.id,
      name: call.function.name,
      arguments: parsed(call.function.arguments),
    })),
    callId: tool_call_id ?? null,
  }
}

function toTool({ function: { name, parameters } }: NonNullable<DemoRequest['tools']>[number]): DemoTool {
  return { name, parameters: Object.keys(parameters?.properties ?? {}) }
}

function parsed(json: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(json))
  } catch {
    // What the harness sends back as arguments is what this model sent, unless someone else wrote the history.
    return {}
  }
}

/** The same when a request is repeated, another one for any other request. */
const idOf = (request: DemoRequest) =>
  createHash('sha256').update(JSON.stringify(request.messages)).digest('hex').slice(0, 16)

/** Four words at a time, spaces and line breaks kept. */
const piecesOf = (text: string): string[] => text.match(/(?:\S+\s*){1,4}|\s+/g) ?? []

function usageOf(request: DemoRequest, answer: string) {
  const promptTokens = Math.ceil(
    (JSON.stringify(request.messages).length + JSON.stringify(request.tools ?? []).length) / 4,
  )
  const completionTokens = Math.ceil(answer.length / 4)
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  }
}
