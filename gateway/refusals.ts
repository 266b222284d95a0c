import type { Provider } from './providers.ts'

/** What the relay itself refuses; the provider's own refusals pass through. */
export type Refusal = {
  status: 400 | 401 | 403 | 404 | 413 | 500 | 502 | 503
  /** OpenAI's `code`. */
  code: string
  message: string
  /** What to do next. Harnesses show the message alone, so it is also at the end of that. */
  hint: string
}

const OPENAI_TYPES: Record<Refusal['status'], string> = {
  400: 'invalid_request_error',
  401: 'invalid_request_error',
  403: 'invalid_request_error',
  404: 'invalid_request_error',
  413: 'invalid_request_error',
  500: 'server_error',
  502: 'server_error',
  503: 'server_error',
}

const ANTHROPIC_TYPES: Record<Refusal['status'], string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  500: 'api_error',
  502: 'api_error',
  503: 'overloaded_error',
}

/**
 * The refusal as the provider's own error body, so that a harness tells apart what to retry and what to give up.
 * Anthropic: API errors. OpenAI: error codes.
 */
export function refusalBody(dialect: Provider['dialect'], { status, code, message, hint }: Refusal): object {
  const text = `${message} ${hint}`
  if (dialect === 'anthropic') return { type: 'error', error: { type: ANTHROPIC_TYPES[status], message: text, hint } }
  return { error: { message: text, type: OPENAI_TYPES[status], param: null, code, hint } }
}
