/**
 * Every refusal that a caller can act on. A code is never renamed: programs match on it.
 * `status` is the HTTP status at the REST door; `hint` says what to do next (callers are often agents).
 */
const CODES = {
  invalid_request: { status: 400, hint: 'Correct the fields that the message names and send it again.' },
  invalid_cursor: { status: 400, hint: 'Use next_cursor of the last page as it is, or leave cursor out.' },
  invalid_config: {
    status: 422,
    hint: 'Correct each problem listed; `signalbox validate` checks the file without applying it.',
  },
  unauthenticated: { status: 401, hint: 'Send `Authorization: Bearer <token>`; `signalbox token` makes a token.' },
  forbidden: { status: 403, hint: 'Ask an administrator of this hub to do it or to give you the role.' },
  not_found: { status: 404, hint: 'Check the path; /openapi.json lists every route.' },
  agent_not_found: { status: 404, hint: 'List agents for the names and ids you may use.' },
  runtime_not_found: { status: 404, hint: 'List runtimes for the names and ids that are registered.' },
  schedule_not_found: { status: 404, hint: 'List schedules for the names and ids that exist.' },
  session_not_found: { status: 404, hint: 'List sessions for the ids you may read.' },
  run_not_found: { status: 404, hint: 'List runs for the ids you may read.' },
  approval_not_found: { status: 404, hint: 'List approvals for the ids that are open.' },
  file_not_found: { status: 404, hint: 'Upload the file first with POST /api/v1/files and use the id it returns.' },
  team_not_found: { status: 404, hint: 'Declare the team under `teams` in signalbox.yaml and apply it.' },
  token_not_found: { status: 404, hint: 'List tokens for the ids that exist.' },
  user_not_found: { status: 404, hint: 'List users for the names and ids that exist.' },
  method_not_allowed: { status: 405, hint: 'Check the method; /openapi.json lists every route.' },
  name_taken: { status: 409, hint: 'Choose another name, or update the one that exists.' },
  in_use: { status: 409, hint: 'Move or delete what refers to it first.' },
  version_conflict: { status: 409, hint: 'Read it again and send your change with the version you then see.' },
  idempotency_conflict: { status: 409, hint: 'Use a new Idempotency-Key for a different request.' },
  idempotency_in_progress: {
    status: 409,
    hint: 'The first request with this key is still at work: wait and send it again.',
  },
  managed_by_config: { status: 409, hint: 'Change it in signalbox.yaml and run `signalbox apply`.' },
  approval_decided: { status: 409, hint: 'Read the approval to see what was decided and by whom.' },
  approval_expired: { status: 409, hint: 'Start the run again; the approval is no longer waited for.' },
  run_finished: { status: 409, hint: 'The run is over: send a message to its session to go on.' },
  session_waiting: { status: 409, hint: 'The session waits for an approval: decide it, or send with mode interrupt.' },
  session_agent_mismatch: { status: 409, hint: 'Leave session_id out, or name the agent that the session belongs to.' },
  agent_archived: { status: 409, hint: 'The agent was deleted: pick another one.' },
  file_too_large: {
    status: 413,
    hint: 'Send a smaller file; limits.file_bytes in signalbox.yaml says how large it may be.',
  },
  body_too_large: { status: 413, hint: 'Send a smaller body; large content goes through POST /api/v1/files.' },
  unsupported_media_type: { status: 415, hint: 'Send JSON with `content-type: application/json`.' },
  runtime_cannot: {
    status: 422,
    hint: 'Pick a runtime whose capabilities list this; `signalbox runtimes` shows them.',
  },
  secret_unresolved: {
    status: 422,
    hint: 'Set the environment variable or the file that the reference names, where the hub runs.',
  },
  budget_exceeded: { status: 402, hint: 'Ask an approver to raise it, or wait until the window resets.' },
  rate_limited: { status: 429, hint: 'Wait as long as Retry-After says.' },
  runtime_unavailable: {
    status: 503,
    hint: 'Run `signalbox doctor`: it says what is wrong with the runtime and the remedy.',
  },
  runtime_rejected: { status: 502, hint: 'The runtime refused the work: the message has its reason.' },
  runtime_failed: { status: 502, hint: "Read the run's events for what the runtime said." },
  hub_stopping: { status: 503, hint: 'The hub is going down: try again when it is back.' },
  internal: { status: 500, hint: "Report it with the request_id; the hub's log has the cause." },
  // Why a run ended without success. They appear in run.error.code and are not HTTP answers of their own.
  outcome_unknown: {
    status: 502,
    hint: 'Look at what the agent did before you send it again: it may have done the work.',
  },
  deadline_exceeded: { status: 504, hint: 'Raise limits.seconds of the agent, or give it a smaller task.' },
  runtime_silent: { status: 504, hint: 'Check the runtime with `signalbox doctor`, or raise limits.silence_seconds.' },
  input_expired: { status: 504, hint: 'Start the run again and answer sooner, or raise limits.input_seconds.' },
  limit_tokens: { status: 402, hint: 'Raise limits.tokens of the agent, or give it a smaller task.' },
  limit_turns: { status: 402, hint: 'Raise limits.turns of the agent, or give it a smaller task.' },
  placement_lost: { status: 503, hint: 'The hub replica that held this session is gone: start a new session.' },
  model_failed: { status: 502, hint: 'Check the provider key and model name with `signalbox doctor`.' },
  lease_lost: { status: 409, hint: 'Another worker holds this run now: stop working on it.' },
} as const satisfies Record<string, { status: number; hint: string }>

export type ErrorCode = keyof typeof CODES

/** The shape of every error on every surface; `request_id` finds the log line. */
export type ErrorBody = {
  error: { code: ErrorCode; message: string; hint: string; request_id: string; details?: unknown }
}

/**
 * A refusal that the caller can act on. Anything else that is thrown is a fault of the hub and becomes `internal` at the door.
 * `details` carries machine-readable particulars (the list of problems of a config); it must hold no secret.
 */
export class HubError extends Error {
  override readonly name = 'HubError'
  readonly code: ErrorCode
  readonly status: number
  readonly hint: string
  readonly details?: unknown

  constructor(code: ErrorCode, message: string, options: { hint?: string; details?: unknown; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = CODES[code].status
    this.hint = options.hint ?? CODES[code].hint
    if (options.details !== undefined) this.details = options.details
  }
}

/** All codes with their HTTP status and hint, for the docs and the OpenAPI document. */
export const errorTable: Readonly<Record<ErrorCode, { status: number; hint: string }>> = CODES

/** The hint that goes with a code stored earlier (a run's error). */
export function hintOf(code: string): string {
  return (CODES as Record<string, { hint: string }>)[code]?.hint ?? CODES.internal.hint
}

/** What a door answers for anything thrown: a refusal as it is, a fault without its inner text. */
export function toErrorBody(error: unknown, requestId: string): { status: number; body: ErrorBody } {
  const known =
    error instanceof HubError
      ? error
      : holdsUnstorableText(error)
        ? new HubError('invalid_request', 'A text in the request holds NUL (U+0000) or half of a surrogate pair.', {
            hint: 'Take the character out and send it again; binary content goes through POST /api/v1/files.',
          })
        : new HubError('internal', 'The hub met a fault it did not expect; nothing more is told here.')
  const { code, message, hint, status, details } = known
  return {
    status,
    body: { error: { code, message, hint, request_id: requestId, ...(details === undefined ? {} : { details }) } },
  }
}

/** Postgres keeps no NUL in text and no lone surrogate in JSON: it refuses the whole statement, wherever they stand. */
function holdsUnstorableText(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : null
  if (!(cause instanceof Error) || !('code' in cause)) return false
  const { code, message } = cause
  return code === '22021' || code === '22P05' || (code === '22P02' && message.endsWith('for type json'))
}

/** What a fault says of itself, for the log. A failed query carries its parameters, which are people's texts: they stay out. */
export function faultMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!('query' in error && 'params' in error)) return error.message
  return `a query failed: ${error.cause instanceof Error ? error.cause.message : 'no cause given'} (${String(error.query).slice(0, 200)})`
}

/** The same with the lines of code that it came through. */
export function faultTrace(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return [`${error.name}: ${faultMessage(error)}`, ...frames].join('\n')
}
