import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { type ChatCompletionRequest, type Fixture, LLMock } from '@copilotkit/aimock'

/** What a prompt asks the model to do, as JSON in its text: tools in turn, then an answer. */
export type Script = {
  tools?: { name: string; args: Record<string, unknown> }[]
  /** Answered after the tools; left out: what the tools gave. */
  text?: string
  /** Thought before each answer. */
  reasoning?: string
  /** Answered instead: all earlier prompts of the session. */
  recall?: boolean
  /** With a pause between the pieces of the answer. */
  slow?: boolean
  /** Answered instead: an error of the provider. */
  error?: { status: number; message: string }
}

export type ScriptedModel = Awaited<ReturnType<typeof startScriptedModel>>

/** An OpenAI-compatible model server that does what the last prompt says. It keeps what it was asked, with the headers. */
export async function startScriptedModel() {
  const mock = new LLMock({ port: 0, host: '127.0.0.1', chunkSize: 8, journalMaxEntries: 0, logLevel: 'silent' })
  const usage = { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 }
  const scripted = (slow: boolean): Fixture => ({
    match: { predicate: (request) => (scriptOf(request).slow ?? false) === slow },
    response: (request) => {
      const script = scriptOf(request)
      if (script.error)
        return { error: { message: script.error.message, type: 'invalid_request_error' }, status: script.error.status }
      const results = toolResults(request)
      const tool = script.tools?.[results.length]
      const thought = script.reasoning === undefined ? {} : { reasoning: script.reasoning }
      if (tool) return { ...thought, toolCalls: [{ name: tool.name, arguments: JSON.stringify(tool.args) }], usage }
      if (script.recall) return { content: promptsOf(request).slice(0, -1).join('\n'), usage }
      return { content: script.text ?? (results.join('\n') || 'done'), ...thought, usage }
    },
    ...(slow ? { latency: 60 } : {}),
  })
  mock.addFixture(scripted(true)).addFixture(scripted(false))
  await mock.start()
  const calls: ModelCall[] = []
  const relay = http.createServer((request, response) => {
    const { authorization = null } = request.headers
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      calls.push({
        path: request.url ?? '',
        authorization,
        ...(JSON.parse(body.toString() || '{}') as Pick<ModelCall, 'model' | 'messages' | 'tools'>),
      })
      const forward = http.request(
        `${mock.url}${request.url}`,
        { method: request.method, headers: request.headers },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(response)
        },
      )
      forward.on('error', () => response.destroy())
      response.on('close', () => forward.destroy())
      forward.end(body)
    })
  })
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  return {
    /** Stands for the hub's relay: `{baseUrl}/{provider}/v1`. */
    baseUrl: `http://127.0.0.1:${(relay.address() as AddressInfo).port}`, // listening, on a port
    calls,
    async stop(): Promise<void> {
      relay.closeAllConnections()
      await new Promise((resolve) => relay.close(resolve))
      await mock.stop()
    },
  }
}

/** What the harness asked the model, with what the mock server leaves out of its own journal. */
export type ModelCall = {
  path: string
  authorization: string | null
  model: string
  messages: { role: string; content: string }[]
  tools: { function: { name: string } }[]
}

function promptsOf({ messages }: ChatCompletionRequest): string[] {
  return messages.flatMap(({ role, content }) => {
    if (role !== 'user') return []
    return [typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join('')]
  })
}

/** The script of the last prompt; a prompt that is none is repeated in the answer. */
function scriptOf(request: ChatCompletionRequest): Script {
  const text = promptsOf(request).at(-1) ?? ''
  try {
    const script: unknown = JSON.parse(text.split('\n\nFiles that came')[0]!)
    // Written by the test itself.
    if (typeof script === 'object' && script !== null) return script as Script
  } catch {
    // An ordinary prompt.
  }
  return { text: `You said: ${text}` }
}

function toolResults({ messages }: ChatCompletionRequest): string[] {
  const since = messages.findLastIndex(({ role }) => role === 'user')
  return messages
    .slice(since + 1)
    .flatMap(({ role, content }) =>
      role === 'tool' ? [typeof content === 'string' ? content : JSON.stringify(content)] : [],
    )
}
