import { HubError } from '../../core/index.ts'
import { delay } from './delay.ts'
import { headersOf, type Server } from './server.ts'

/** OpenCode answered with an error. `status` 404: what was asked for is not there. */
export class OpencodeError extends Error {
  override readonly name = 'OpencodeError'
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export type Client = ReturnType<typeof createClient>

/** A busy server takes its time: 100 sessions that begin at once are opened one after the other. */
const TIMEOUT_MS = 60_000
/** A server that was killed takes a moment to be gone. */
const RETRY_MS = [100, 400, 1_500]
/** History is read from its end: one run is rarely longer than this many messages. */
const RECENT_MESSAGES = 100

type Call = { directory?: string; query?: Record<string, string>; body?: unknown; signal?: AbortSignal; once?: true }

/**
 * OpenCode's HTTP API (1.18, v1 routes), as far as it is needed here. A call whose connection breaks is made again, on the
 * server that is there then; those that would do something twice are marked `once`.
 */
export function createClient(server: Pick<Server, 'ensure'>) {
  async function call<T>(method: 'GET' | 'POST', path: string, options: Call = {}): Promise<T> {
    const signal = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(options.signal ? [options.signal] : [])])
    const { status, text } = await exchangeUntilHeard(method, path, options, signal)
    if (status >= 400)
      throw new OpencodeError(status, `OpenCode answered ${status} to ${method} ${path}: ${messageIn(text)}`)
    // The shapes are those of the pinned version; what is read from them is checked where it matters.
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  async function exchangeUntilHeard(method: 'GET' | 'POST', path: string, options: Call, signal: AbortSignal) {
    for (let tries = 0; ; tries++) {
      try {
        return await exchange(method, path, options, signal)
      } catch (error) {
        const pause = RETRY_MS[tries]
        if (pause === undefined || options.once || signal.aborted || error instanceof HubError) throw error
        await delay(pause)
      }
    }
  }

  async function exchange(method: 'GET' | 'POST', path: string, { directory, query, body }: Call, signal: AbortSignal) {
    const address = await server.ensure()
    const search = new URLSearchParams({ ...(directory === undefined ? {} : { directory }), ...query })
    const response = await fetch(`${address.url}${path}?${search.toString()}`, {
      method,
      headers: { ...headersOf(address), 'content-type': 'application/json' },
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, text: await response.text() }
  }

  return {
    /** The sessions of a folder, newest first, without those of subagents. */
    async sessions(directory: string, signal?: AbortSignal): Promise<Session[]> {
      const found = await call<Session[]>('GET', '/session', { directory, ...(signal && { signal }) })
      return found.filter((session) => session.directory === directory && !session.parentID)
    },
    createSession: (directory: string, title: string, signal: AbortSignal) =>
      call<Session>('POST', '/session', { directory, body: { title }, signal }),
    /** The sessions that are at work in the folder. OpenCode lists one that has just come to rest as idle for a moment. */
    async busy(directory: string, signal: AbortSignal): Promise<Set<string>> {
      const all = await call<Record<string, SessionStatus>>('GET', '/session/status', { directory, signal })
      return new Set(Object.entries(all).flatMap(([id, { type }]) => (type === 'idle' ? [] : [id])))
    },
    /** The messages from this one on, oldest first; null when it is not there. */
    async messagesFrom(sessionId: string, messageId: string, signal: AbortSignal): Promise<Message[] | null> {
      const from = (messages: Message[]) => messages.findIndex(({ info }) => info.id === messageId)
      const recent = await call<Message[]>('GET', `/session/${sessionId}/message`, {
        query: { limit: String(RECENT_MESSAGES) },
        signal,
      })
      if (from(recent) >= 0) return recent.slice(from(recent))
      if (recent.length < RECENT_MESSAGES) return null
      const all = await call<Message[]>('GET', `/session/${sessionId}/message`, { signal })
      return from(all) >= 0 ? all.slice(from(all)) : null
    },
    /** Stores a prompt without answering it. The ids are ours, so a repeat stores the same once more and adds nothing. */
    storePrompt: (
      sessionId: string,
      prompt: { messageId: string; partId: string; agent: string; model: Model; text: string },
      signal: AbortSignal,
    ) =>
      call<unknown>('POST', `/session/${sessionId}/message`, {
        body: {
          messageID: prompt.messageId,
          agent: prompt.agent,
          model: prompt.model,
          noReply: true,
          parts: [{ id: prompt.partId, type: 'text', text: prompt.text }],
        },
        signal,
      }),
    /** Sets the loop going. While it runs nothing changes; when all prompts are answered it ends at once. */
    answerPrompts: (
      sessionId: string,
      prompt: { messageId: string; agent: string; model: Model },
      signal: AbortSignal,
    ) =>
      call<unknown>('POST', `/session/${sessionId}/prompt_async`, {
        body: { messageID: prompt.messageId, agent: prompt.agent, model: prompt.model, parts: [] },
        signal,
      }),
    abort: (sessionId: string, signal: AbortSignal) => call<boolean>('POST', `/session/${sessionId}/abort`, { signal }),
    permissions: (directory: string, signal: AbortSignal) =>
      call<PermissionRequest[]>('GET', '/permission', { directory, signal }),
    questions: (directory: string, signal: AbortSignal) =>
      call<QuestionRequest[]>('GET', '/question', { directory, signal }),
    replyPermission: (
      directory: string,
      id: string,
      body: { reply: 'once' | 'always' | 'reject'; message?: string },
      signal: AbortSignal,
    ) => call<boolean>('POST', `/permission/${id}/reply`, { directory, body, signal, once: true }),
    replyQuestion: (directory: string, id: string, answers: string[][], signal: AbortSignal) =>
      call<boolean>('POST', `/question/${id}/reply`, { directory, body: { answers }, signal, once: true }),
    rejectQuestion: (directory: string, id: string, signal: AbortSignal) =>
      call<boolean>('POST', `/question/${id}/reject`, { directory, signal, once: true }),
    /** Closes what is open for a folder: its settings are read again on the next use. Aborts what is at work there. */
    disposeInstance: (directory: string, signal: AbortSignal) =>
      call<boolean>('POST', '/instance/dispose', { directory, signal }),
  }
}

/** The message of an error body, without what else may be in it. */
function messageIn(text: string): string {
  try {
    const body = JSON.parse(text) as { data?: { message?: string }; message?: string }
    return body.data?.message ?? body.message ?? 'no reason given'
  } catch {
    return text.slice(0, 200) || 'no reason given'
  }
}

export type Model = { providerID: string; modelID: string }
export type Session = { id: string; directory: string; parentID?: string; title: string }
export type SessionStatus =
  | { type: 'busy' }
  | { type: 'idle' }
  | { type: 'retry'; attempt: number; message: string; next: number }
export type Tokens = { input: number; output: number; reasoning: number; cache: { read: number; write: number } }
export type MessageInfo = {
  id: string
  sessionID: string
  role: 'user' | 'assistant'
  parentID?: string
  finish?: string
  error?: { name: string; data?: { message?: string; statusCode?: number } }
  time: { created: number; completed?: number }
  summary?: unknown
}
export type ToolState =
  | { status: 'pending'; input: unknown }
  | { status: 'running'; input: unknown }
  | { status: 'completed'; input: unknown; output: string }
  | { status: 'error'; input: unknown; error: string }
export type Part = { id: string; messageID: string; sessionID: string } & (
  | { type: 'text'; text: string; synthetic?: boolean; time?: { end?: number } }
  | { type: 'reasoning'; text: string; time?: { end?: number } }
  | { type: 'tool'; tool: string; callID: string; state: ToolState }
  | { type: 'step-finish'; tokens: Tokens; cost: number }
  | { type: 'step-start' }
)
export type Message = { info: MessageInfo; parts: Part[] }
export type PermissionRequest = {
  id: string
  sessionID: string
  permission: string
  patterns: string[]
  metadata: Record<string, unknown>
  tool?: { messageID: string; callID: string }
}
export type QuestionRequest = {
  id: string
  sessionID: string
  questions: {
    question: string
    header: string
    options: { label: string; description: string }[]
    multiple?: boolean
    custom?: boolean
  }[]
  tool?: { messageID: string; callID: string }
}
