/** The exit codes of every command; docs/cli.md lists them. A code is never given another meaning. */
export const exitCode = {
  ok: 0,
  failed: 1,
  invalid: 2,
  unreachable: 3,
  forbidden: 4,
  notFound: 5,
  conflict: 6,
  interrupted: 130,
} as const
export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

/** A refusal that the person at the terminal can act on: what happened, and what to do next. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly code: string
  readonly hint: string
  readonly exitCode: ExitCode
  readonly requestId?: string
  readonly details?: unknown

  constructor(
    code: string,
    message: string,
    options: { hint: string; exitCode: ExitCode; requestId?: string; details?: unknown; cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.exitCode = options.exitCode
    if (options.requestId !== undefined) this.requestId = options.requestId
    if (options.details !== undefined) this.details = options.details
  }
}

/** The exit code for what a hub answered. */
export function exitCodeOfStatus(httpStatus: number, code: string): ExitCode {
  if (code === 'hub_stopping') return exitCode.unreachable
  switch (httpStatus) {
    case 400:
    case 413:
    case 415:
    case 422:
      return exitCode.invalid
    case 401:
    case 403:
      return exitCode.forbidden
    case 404:
      return exitCode.notFound
    case 409:
      return exitCode.conflict
    default:
      return exitCode.failed
  }
}

/** What the command line got wrong: exit 2, like every other invalid input. */
export const usageError = (message: string, hint: string): CliError =>
  new CliError('usage', message, { hint, exitCode: exitCode.invalid })

/** `{error}` as the REST API shapes it, so that programs read one shape from both. */
export function toErrorJson(error: CliError): { error: Record<string, unknown> } {
  const { code, message, hint, requestId, details } = error
  return {
    error: {
      code,
      message,
      hint,
      ...(requestId === undefined ? {} : { request_id: requestId }),
      ...(details === undefined ? {} : { details }),
    },
  }
}
