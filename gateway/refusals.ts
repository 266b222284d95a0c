import { DEMO_MODEL } from './demo-model.ts'
import { ENDPOINTS, type Endpoint } from './endpoints.ts'
import type { Provider } from './providers.ts'
import type { ModelSession } from './session-cache.ts'

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

export const BAD_TOKEN = {
  status: 401,
  code: 'invalid_api_key',
  message: '',
  hint: 'The relay takes the session token of a run that is at work, made for model calls; the hub gives it to the runtime.',
} as const satisfies Refusal

export const HUB_FAULT = {
  status: 503,
  code: 'hub_unavailable',
  message: 'The hub could not take the call.',
  hint: "Try again; the hub's log has the cause.",
} as const satisfies Refusal
export function tooLarge(maxBytes: number): Refusal {
  return {
    status: 413,
    code: 'request_too_large',
    message: `The request is larger than ${maxBytes / 1024 / 1024} MiB.`,
    hint: 'Send less: shorten the conversation or the files in it.',
  }
}

export const NOT_A_CALL: Refusal = {
  status: 400,
  code: 'invalid_request',
  message: 'The body is not a model call: a JSON object with `model` and what the API asks for beside it.',
  hint: "Send the body as the provider's API describes it.",
}

export function unreachable(provider: Provider, error: Error): Refusal {
  return {
    status: 502,
    code: 'provider_unreachable',
    message: `Provider ${provider.id} at ${provider.baseUrl} did not answer: ${reasonOf(error)}.`,
    hint: 'Check the address and the network of the machine where the hub runs.',
  }
}

export function unusable(provider: Provider, status: number): Refusal {
  const hint = `Set ${provider.id.toUpperCase()}_BASE_URL to the address of the API itself.`
  return {
    status: 502,
    code: 'provider_unusable',
    message: `Provider ${provider.id} at ${provider.baseUrl} answered ${status}, which the relay does not pass on.`,
    hint,
  }
}

function pathsOf(provider: Provider): string {
  const paths = ENDPOINTS.filter(({ serves }) => serves.includes(provider.dialect)).map(
    ({ path }) => `/${provider.id}/v1${path}`,
  )
  return `It serves ${paths.join(', ')}.`
}

export function unknownPath(method: string, path: string): Refusal {
  const hint = `It serves ${ENDPOINTS.map((endpoint) => `${endpoint.method} /{provider}/v1${endpoint.path}`).join(', ')}.`
  const message = `There is no ${method} ${path.slice(0, 200)} at the model relay.`
  return { status: 404, code: 'unknown_url', message, hint }
}

export function unknownProvider(id: string, providers: Map<string, Provider>): Refusal {
  const known = [...providers.keys()].join(', ')
  const hint = `Configured are: ${known}. ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENAI_BASE_URL add one when the hub starts.`
  return { status: 404, code: 'unknown_provider', message: `There is no model provider ${id.slice(0, 64)} here.`, hint }
}

/** What speaks against this call whatever its body; null: nothing. */
export function misfitOf(provider: Provider, endpoint: Endpoint, session: ModelSession): Refusal | null {
  if (!endpoint.serves.includes(provider.dialect)) {
    const message = `Provider ${provider.id} has no ${endpoint.path} here.`
    return { status: 404, code: 'unknown_url', message, hint: pathsOf(provider) }
  }
  if (session.model !== null && !session.model.startsWith(`${provider.id}/`)) {
    return {
      status: 403,
      code: 'model_not_allowed',
      message: `This run's agent uses ${session.model}, so its token is not for provider ${provider.id}.`,
      hint: "Change the agent's model, or call the provider that it names.",
    }
  }
  return null
}

/** For a model that surely is another provider's; whether this provider has it, it says itself. */
export function wrongModel(
  provider: Provider,
  model: string,
  session: ModelSession,
  providers: Map<string, Provider>,
): Refusal | null {
  const known = { status: 404, code: 'model_not_found' } as const
  if (provider.dialect === 'demo') {
    if (model === DEMO_MODEL) return null
    return { ...known, message: `Provider demo has no model ${model.slice(0, 100)}.`, hint: `Use demo/${DEMO_MODEL}.` }
  }
  // Routers behind an OpenAI-compatible address do have models named `anthropic/...`: what the agent asks for is right.
  if (session.model === `${provider.id}/${model}`) return null
  const [prefix = '', ...rest] = model.split('/')
  if (rest.length === 0 || prefix === provider.id || !providers.has(prefix)) return null
  const hint = `Call /${prefix}/v1 with model ${rest.join('/')}.`
  return { ...known, message: `Model ${model.slice(0, 100)} is not one of provider ${provider.id}.`, hint }
}

/** Codes and messages of network faults name addresses at most. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown fault'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}
