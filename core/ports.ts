/** What core needs from outside. Adapters implement these; core never imports them. */
import type * as z from 'zod'
import type { AgentDefinition, Capabilities, Health, InterruptOption, RunStatus, Usage } from './shapes.ts'

/** What an adapter keeps of one run: JSON below 4 KiB, no secret. It survives restarts; nothing else of an adapter does. */
export type Ref = { [key: string]: string | number | boolean | null | Ref }

export type Log = {
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
}

export type TurnFile = { id: string; name: string; mediaType: string; bytes: number; read(): Promise<Uint8Array> }

/** All that a runtime is told about one run. */
export type Turn = {
  runId: string
  sessionId: string
  /** `number` is a small integer that is unique to the agent for the life of the hub's database. */
  agent: { id: string; name: string; number: number; version: number }
  /** The last ref of this session on this runtime; null on its first run. */
  previous: Ref | null
  input: { text: string; files: TurnFile[] }
  instructions: string
  /** `provider/model`; null: the runtime's default. */
  model: string | null
  permissions: AgentDefinition['permissions']
  env: Record<string, string>
  skills: string[]
  mcpServers: string[]
  workspace: { repo: string; ref: string; mode: 'read' | 'write' } | null
  /** Where the runtime calls models: the hub's relay, with a token of this session. Null when the hub has no relay. */
  modelEndpoint: { baseUrl: string; token: string; api: ModelApi } | null
  mcpEndpoint: { url: string; token: string } | null
  /** Where the runtime posts events back to; null without a public URL. */
  callbackUrl: string | null
  limits: AgentDefinition['limits']
  deadline: Date
  traceparent: string | null
}

export type RuntimeInterrupt = {
  /** The runtime's own id, unique within the run: an interrupt seen twice is stored once. */
  id: string
  kind: 'permission' | 'question' | 'client_tool' | 'sign_in'
  message: string
  tool?: string
  toolCallId?: string
  arguments?: unknown
  options: InterruptOption[]
}

/**
 * What happened in a run, as facts. Core frames them as AG-UI events (start and end of messages, order), scrubs and stores them.
 * `messageId` and `toolCallId` are the runtime's own and stable over a re-attach, so that what is told twice is stored once.
 * `cursor`, where the runtime has one, is stored with the event and given back to `stream`.
 */
export type RuntimeEvent = { cursor?: string } & (
  | { type: 'text'; messageId: string; delta: string }
  /** The whole text of a message so far; it wins over the deltas. */
  | { type: 'text_snapshot'; messageId: string; text: string }
  | { type: 'reasoning'; messageId: string; delta: string }
  | { type: 'tool_call'; toolCallId: string; name: string; kind?: ToolKind; arguments?: unknown }
  | { type: 'tool_result'; toolCallId: string; content: string; isError?: boolean }
  | { type: 'interrupt'; interrupt: RuntimeInterrupt }
  /** The runtime itself says that an interrupt is no longer waited for. */
  | { type: 'interrupt_resolved'; id: string }
  /** Absolute counters of this run. */
  | { type: 'usage'; usage: Partial<Usage> }
  | { type: 'artifact'; name: string; mediaType: string; read(): Promise<Uint8Array> }
  /** A line about progress that is not part of the answer. */
  | { type: 'progress'; message: string }
  /** Something the adapter does not know: kept, never thrown. */
  | { type: 'raw'; source: string; event: unknown }
)

/** Which API a provider's models are called by: Anthropic Messages, OpenAI Responses, OpenAI Chat Completions. */
export type ModelApi = 'messages' | 'responses' | 'chat'

/** ACP's tool kinds. */
export type ToolKind = 'read' | 'edit' | 'delete' | 'move' | 'search' | 'execute' | 'think' | 'fetch' | 'other'

/** The truth about a run. `unknown`: the runtime does not know it and never will. */
export type Snapshot = {
  status: RunStatus | 'unknown'
  output?: string
  error?: {
    code: 'runtime_failed' | 'runtime_rejected' | 'model_failed' | 'limit_turns' | 'budget_exceeded'
    message: string
  }
  interrupts?: RuntimeInterrupt[]
  usage?: Partial<Usage>
}

export type Answer = { type: 'answer'; interruptId: string; option: InterruptOption; text?: string; note?: string }
export type Steer = { type: 'steer'; text: string }
export type Cancel = { type: 'cancel'; reason: string }

export type RuntimeIO = { signal: AbortSignal; log: Log }

/**
 * Where agents run. What must hold:
 * - An adapter keeps no state that a restart may lose: all of it is in the ref.
 * - `prepare` is pure and chooses the ids; core stores the ref before any request goes out.
 * - `start` returns on acceptance. It throws `RuntimeRejection` when the work was surely not accepted, anything else when that is unclear.
 * - `stream`: return = the stream ended, throw = it broke; neither is the outcome. Abort of `signal` ends it.
 * - `status` is the truth; the stream is a hint.
 * - `send` throws HubError `runtime_cannot` for what the runtime has no way to do.
 * - Retries of a vendor's client are off for whatever starts work.
 */
export interface Runtime {
  readonly kind: string
  health(io: RuntimeIO): Promise<Health>
  prepare(turn: Turn): Ref
  start(ref: Ref, turn: Turn, io: RuntimeIO): Promise<Ref>
  /** After a crash between store and acceptance: the ref if the work was accepted, null if it surely was not. */
  find?(ref: Ref, turn: Turn, io: RuntimeIO): Promise<Ref | null>
  stream(ref: Ref, io: RuntimeIO & { cursor?: string }): AsyncIterable<RuntimeEvent>
  status(ref: Ref, io: RuntimeIO): Promise<Snapshot>
  send(
    ref: Ref,
    message: Answer | Steer | Cancel,
    io: RuntimeIO,
  ): Promise<{ ref?: Ref; result: 'accepted' | 'done' | 'already_terminal' }>
  /** Callbacks from outside: verifies the request and says which run it is about and what it tells. */
  receive?(request: Request): Promise<{ runId: string; events: InboxEvent[] }>
  /** Frees what an idle session holds; the session can still go on. */
  dispose?(ref: Ref, io: RuntimeIO): Promise<void>
  /** Ends what belongs to this instance of the adapter (child processes by their own id). */
  close?(): Promise<void>
}

/** One event that came by callback; `seq` is the sender's, so that at-least-once delivery stores it once. */
export type InboxEvent = { seq: number; event: unknown }

/** The work was surely not accepted: nothing runs, so failing or repeating is safe. */
export class RuntimeRejection extends Error {
  override readonly name = 'RuntimeRejection'
  readonly code: 'runtime_rejected' | 'runtime_unavailable' | 'model_failed'
  constructor(code: RuntimeRejection['code'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** What the hub gives an adapter when it opens it for one registered runtime. */
export type RuntimeHost = {
  runtimeId: string
  name: string
  /** A folder of this hub replica that only the hub may read; exists, mode 0700. */
  dataDir: string
  /** Value of a secret reference (`env:`, `file:`). Throws HubError `secret_unresolved`. */
  resolveSecret(reference: string): Promise<string>
  /** Events that came by callback for a run after `seq`, from whichever replica received them; waits until there are some or the signal aborts. */
  inbox(runId: string, afterSeq: number, signal: AbortSignal): AsyncIterable<InboxEvent>
  log: Log
}

/** One line of the catalogue. */
export type RuntimeKind<Settings extends z.ZodType = z.ZodType> = {
  kind: string
  title: string
  /** A runtime of this kind is registered under this name on every hub, with default settings. */
  builtIn?: string
  settings: Settings
  /** What this kind can do with these settings. */
  capabilities(settings: z.infer<Settings>): Capabilities
  open(settings: z.infer<Settings>, host: RuntimeHost): Runtime | Promise<Runtime>
}

export type { Capabilities, Health, Usage }
