import type { Readable } from 'node:stream'
import type { Actor } from './access/actor.ts'
import type { ModelApi } from './ports.ts'
import type {
  Agent,
  Approval,
  ApprovalStatus,
  Decision,
  EventPage,
  FileInfo,
  Health,
  Page,
  Run,
  RunEvent,
  RunStatus,
  RuntimeInfo,
  Schedule,
  SendMessage,
  Session,
  StartRun,
  Token,
  UsageBy,
  UsageReport,
  Version,
} from './shapes.ts'

export type ListOptions = { limit?: number; cursor?: string }

/** `name` and the fields of the definition, unparsed: core parses them and lists every problem at once (`invalid_request`). */
export type DefinitionInput = { name: string } & Record<string, unknown>
/** Fields to replace; null removes an optional one. `version`, when given, must be the current one (`version_conflict`). */
export type DefinitionPatch = Record<string, unknown> & { version?: number }

/** The same five verbs for agents, runtimes and schedules. `ref` is a name or an id. */
export interface Declared<T> {
  /** Throws name_taken, runtime_cannot, invalid_request and what the definition refers to and is not there. */
  create(actor: Actor, input: DefinitionInput): Promise<T>
  update(actor: Actor, ref: string, patch: DefinitionPatch): Promise<T>
  /** Ends its life, keeps its history; the name is free again. Throws in_use while something refers to it. */
  remove(actor: Actor, ref: string): Promise<void>
  get(actor: Actor, ref: string): Promise<T>
  /** Sorted by name; the cursor is the last name. */
  list(actor: Actor, options?: ListOptions & { query?: string; runtime?: string; agent?: string }): Promise<Page<T>>
  /** Newest first. */
  versions(actor: Actor, ref: string, options?: ListOptions): Promise<Page<Version>>
}

export type Problem = { line: number | null; column: number | null; path: string; message: string; hint: string }
export type Change = {
  action: 'create' | 'update' | 'delete' | 'keep'
  kind: 'team' | 'runtime' | 'agent' | 'schedule' | 'limits'
  name: string
  fields: string[]
}
export type Plan = { changes: Change[] /** False when nothing would change. */; pending: boolean }

/** The control plane, as every surface sees it. Each call takes the actor who asks; each may throw HubError `forbidden`. */
export interface Core {
  readonly version: string

  // access
  /** The actor behind a bearer token; throws unauthenticated. `surface` is set by the door, never by the caller. */
  authenticate(token: string | null | undefined, surface: Actor['surface']): Promise<Actor>
  tokens: {
    /** The token itself is in this answer and nowhere else, ever. */
    create(
      actor: Actor,
      input: { name: string; user?: string; expires_in_days?: number },
    ): Promise<Token & { token: string }>
    list(actor: Actor): Promise<Token[]>
    /** Takes effect at once on every replica. */
    revoke(actor: Actor, id: string): Promise<void>
  }

  // work
  agents: Declared<Agent>
  runtimes: Declared<RuntimeInfo> & {
    check(actor: Actor, ref: string): Promise<Health>
    kinds(): { kind: string; title: string }[]
  }
  schedules: Declared<Schedule> & { runNow(actor: Actor, ref: string, options?: { requestKey?: string }): Promise<Run> }

  runs: {
    /**
     * Accepts work: when it returns, the run is stored and will be done. `requestKey` (made by the door from actor and
     * key) makes a repeat return the first run; the same key with another body throws idempotency_conflict.
     */
    start(actor: Actor, input: StartRun, options?: { requestKey?: string }): Promise<Run>
    get(actor: Actor, id: string): Promise<Run>
    /** Newest first. */
    list(
      actor: Actor,
      options?: ListOptions & { agent?: string; status?: RunStatus; session_id?: string; since?: string },
    ): Promise<Page<Run>>
    /** The run as it is once it is over or waits for input, at the latest after `seconds` (at most 45). */
    wait(
      actor: Actor,
      id: string,
      options: {
        seconds: number
        signal?: AbortSignal /** Resolve on any change of status or pending from this run on. */
        from?: Run
      },
    ): Promise<Run>
    /** Asks the run to stop; a second time changes nothing; throws run_finished when it is over in another way. */
    stop(actor: Actor, id: string, options?: { reason?: string }): Promise<Run>
    /** One page of the log, oldest first, after `after` (default 0). With `wait_seconds` an empty page waits for events (at most 45). */
    events(
      actor: Actor,
      id: string,
      options?: { after?: number; limit?: number; types?: string[]; wait_seconds?: number; signal?: AbortSignal },
    ): Promise<EventPage>
    /**
     * The log from `after`, then live, without gap or repeat, in batches; returns after the final event. Slow readers hold nobody up.
     * Access is checked before the first batch.
     */
    watch(actor: Actor, id: string, options?: { after?: number; signal?: AbortSignal }): AsyncIterable<RunEvent[]>
    artifacts(actor: Actor, id: string): Promise<FileInfo[]>
  }

  sessions: {
    get(actor: Actor, id: string): Promise<Session>
    list(actor: Actor, options?: ListOptions & { agent?: string; status?: Session['status'] }): Promise<Page<Session>>
    /**
     * queue: a new run; steer: into the run at work, which is returned (a new run when none is at work; runtime_cannot where
     * it can't); interrupt: stops what is at work and starts a new run. While the session waits for a question, the message is
     * its answer; while it waits for a permission, queue makes a run that waits and steer throws session_waiting.
     */
    send(actor: Actor, id: string, input: SendMessage, options?: { requestKey?: string }): Promise<Run>
    /** Moves the session to the agent's current version from its next run on. */
    update(actor: Actor, id: string): Promise<Session>
  }

  approvals: {
    get(actor: Actor, id: string): Promise<Approval>
    list(actor: Actor, options?: ListOptions & { status?: ApprovalStatus; run_id?: string }): Promise<Page<Approval>>
    /** Decides once: a second decision throws approval_decided, the same one again returns what is. */
    decide(actor: Actor, id: string, decision: Decision): Promise<Approval>
  }

  files: {
    /** Throws file_too_large (nothing is kept then). Text is scrubbed before it is stored. */
    create(actor: Actor, input: { name: string; media_type: string; content: Readable | Uint8Array }): Promise<FileInfo>
    get(actor: Actor, id: string): Promise<FileInfo>
    read(actor: Actor, id: string): Promise<{ info: FileInfo; content: Readable }>
  }

  usage(actor: Actor, options: { by: UsageBy; since?: string }): Promise<UsageReport>

  // config
  config: {
    /** Every problem of the text at once; an empty list means it can be applied here. */
    validate(actor: Actor, yaml: string): Promise<Problem[]>
    /** What apply would do. Throws invalid_config with `details: Problem[]`. */
    plan(actor: Actor, yaml: string): Promise<Plan>
    /** In one transaction: all or nothing. */
    apply(actor: Actor, yaml: string): Promise<Plan>
  }

  // the seams that other parts of the house fill
  /** The one scrubber: every door and every log line goes through it. */
  scrub(text: string): string
  /** Value of `env:NAME` or `file:/path`; what it returns is known to the scrubber from then on. Throws secret_unresolved. */
  resolveSecret(reference: string): Promise<string>
  gateway: {
    /** What a session token stands for; throws unauthenticated when it is unknown, expired, revoked or for another purpose. */
    session(
      token: string,
      purpose: 'model' | 'mcp',
    ): Promise<{ sessionId: string; runId: string; agentId: string; model: string | null }>
    /** Where runtimes find the relay, once it listens: `{baseUrl}/{provider}/v1/...`, the provider being the part of the model before the slash; `apis` by provider, `chat` where it is silent. */
    setModelEndpoint(baseUrl: string, apis?: Readonly<Record<string, ModelApi>>): void
    /** One metered model call of a run: added to what was metered before. The run shows the greater of metered and runtime-reported. */
    record(
      runId: string,
      call: { input_tokens: number; output_tokens: number; cache_read_tokens: number; cache_write_tokens: number },
    ): Promise<void>
  }
  /** A runtime's callback: verified by its adapter, stored, answered. */
  receiveCallback(runtimeId: string, request: Request): Promise<{ status: number }>
  idempotency: {
    /** Claims the key, or tells what was answered. Throws idempotency_conflict, idempotency_in_progress. */
    begin(key: string, digest: string): Promise<{ replay: false } | { replay: true; status: number; response: unknown }>
    finish(key: string, status: number, response: unknown): Promise<void>
    /** The request failed before it changed anything: the key is free again. */
    abandon(key: string): Promise<void>
  }
  /** True when the database answers; what is wrong, else. */
  ready(): Promise<{ ok: true } | { ok: false; message: string }>
  /** Starts claiming and doing runs, schedules and upkeep on this replica. */
  startWorker(): Promise<void>
  /** Stops claiming, gives up what it holds so that another replica or the next start goes on, closes adapters and database. */
  close(): Promise<void>
}
