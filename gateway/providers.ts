import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import * as z from 'zod'
import { HubError } from '../core/index.ts'
import type { CallFormat } from './usage.ts'

export type Provider = {
  /** What stands before the slash of `provider/model`, and first in the relay's paths. */
  id: string
  /** Whose API it speaks; `demo` is answered in this process. */
  dialect: 'anthropic' | 'openai' | 'demo'
  /**
   * Which of its APIs its newest models want: OpenAI's own reason with tools only on Responses, while servers that are
   * compatible with OpenAI surely have Chat Completions and maybe no other.
   */
  api: CallFormat
  /** Up to and with the version, no slash at the end: `https://api.anthropic.com/v1`. Empty for `demo`. */
  baseUrl: string
  /** Reference of the key (`env:NAME`, `file:/path`), never the key: who resolves it tells the scrubber. Null: none is sent. */
  key: string | null
}

export type Providers = {
  providers: Map<string, Provider>
  /** `provider/model` for agents that name none. */
  defaultModel: string
  /** Nothing but the demo model is configured. */
  demo: boolean
}

type Env = Record<string, string | undefined>

const ANTHROPIC = { baseUrl: 'https://api.anthropic.com/v1', model: 'claude-sonnet-5' }
const OPENAI = { baseUrl: 'https://api.openai.com/v1', model: 'gpt-5.5' }
const DEMO = 'demo/demo'

/** How long a start waits for an OpenAI-compatible server to list its models. */
const LIST_TIMEOUT_MS = 3_000

/**
 * The model providers that the environment configures, and the model that agents use when they name none:
 * SIGNALBOX_MODEL, else Anthropic's, else OpenAI's, else the first that the server at OPENAI_BASE_URL lists, else the demo model.
 * Reads key files only to ask for that list. Throws invalid_config, with what to set.
 */
export async function providersFromEnv(env: Env): Promise<Providers> {
  const providers = new Map<string, Provider>()
  const anthropicKey = keyReference(env, 'ANTHROPIC_API_KEY')
  if (anthropicKey) {
    const baseUrl = env.ANTHROPIC_BASE_URL ? baseUrlOf(env.ANTHROPIC_BASE_URL, 'ANTHROPIC_BASE_URL') : ANTHROPIC.baseUrl
    // Anthropic's own clients take the address without the version; with it is accepted too.
    const versioned = baseUrl.endsWith('/v1') ? baseUrl : `${baseUrl}/v1`
    providers.set('anthropic', {
      id: 'anthropic',
      dialect: 'anthropic',
      api: 'messages',
      baseUrl: versioned,
      key: anthropicKey,
    })
  }
  const openaiKey = keyReference(env, 'OPENAI_API_KEY')
  if (openaiKey || env.OPENAI_BASE_URL) {
    const baseUrl = env.OPENAI_BASE_URL ? baseUrlOf(env.OPENAI_BASE_URL, 'OPENAI_BASE_URL') : OPENAI.baseUrl
    // OpenAI's own clients take the address with the version; a bare host means the usual one.
    const versioned = new URL(baseUrl).pathname === '/' ? `${baseUrl}/v1` : baseUrl
    const api = versioned === OPENAI.baseUrl ? 'responses' : 'chat'
    providers.set('openai', { id: 'openai', dialect: 'openai', api, baseUrl: versioned, key: openaiKey })
  }
  const demo = providers.size === 0
  providers.set('demo', { id: 'demo', dialect: 'demo', api: 'chat', baseUrl: '', key: null })
  return { providers, defaultModel: await defaultModel(env, providers), demo }
}

async function defaultModel(env: Env, providers: Map<string, Provider>): Promise<string> {
  const chosen = env.SIGNALBOX_MODEL?.trim()
  if (chosen) {
    const [provider = '', ...model] = chosen.split('/')
    if (providers.has(provider) && model.join('/')) return chosen
    const known = [...providers.keys()].join(', ')
    throw new HubError('invalid_config', `SIGNALBOX_MODEL is ${chosen}, and there is no such model here.`, {
      hint: `Write it as provider/model, the provider being one of those configured (${known}): ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENAI_BASE_URL add one.`,
    })
  }
  if (providers.has('anthropic')) return `anthropic/${ANTHROPIC.model}`
  const openai = providers.get('openai')
  if (!openai) return DEMO
  if (openai.baseUrl === OPENAI.baseUrl) return `openai/${OPENAI.model}`
  return `openai/${await firstModel(openai, env)}`
}

const ModelList = z.object({ data: z.array(z.object({ id: z.string().min(1) })) })
/** Servers list these beside chat models, and sorting puts some of them first. */
const NOT_A_CHAT_MODEL = /embed|rerank|whisper|tts|moderation|transcribe|image|dall-e/i

async function firstModel(provider: Provider, env: Env): Promise<string> {
  const url = `${provider.baseUrl}/models`
  const hint =
    'Set SIGNALBOX_MODEL=openai/<model>, a model of the server at OPENAI_BASE_URL; then it need not be up when the hub starts.'
  const key = await readKey(provider.key, env)
  let list: z.infer<typeof ModelList>
  try {
    const response = await fetch(url, {
      headers: key ? { authorization: `Bearer ${key}` } : {},
      redirect: 'error',
      signal: AbortSignal.timeout(LIST_TIMEOUT_MS),
    })
    if (!response.ok) throw new Error(`it answered ${response.status}`)
    list = ModelList.parse(await response.json())
  } catch (cause) {
    throw new HubError('invalid_config', `${url} gave no list of models to choose from: ${reasonOf(cause)}.`, {
      hint,
      cause,
    })
  }
  const model = list.data.find(({ id }) => !NOT_A_CHAT_MODEL.test(id))
  if (!model) throw new HubError('invalid_config', `${url} lists no chat model.`, { hint })
  return model.id
}

function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) return 'the answer is not an OpenAI list of models'
  if (!(error instanceof Error)) return 'unknown fault'
  if (error.name === 'TimeoutError') return `no answer in ${LIST_TIMEOUT_MS / 1000} s`
  // fetch hides why it failed one level down.
  return error.cause instanceof Error ? error.cause.message : error.message
}

/** `NAME`, else the file that `NAME_FILE` names, as a reference. */
function keyReference(env: Env, name: string): string | null {
  if (env[name]?.trim()) return `env:${name}`
  const file = env[`${name}_FILE`]?.trim()
  return file ? `file:${resolve(file)}` : null
}

async function readKey(reference: string | null, env: Env): Promise<string | null> {
  if (!reference) return null
  if (reference.startsWith('env:')) return env[reference.slice('env:'.length)]?.trim() ?? null
  const path = reference.slice('file:'.length)
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new HubError('secret_unresolved', `The key file ${path} cannot be read.`, { cause })
  })
  return text.trim()
}

function baseUrlOf(text: string, name: string): string {
  const hint = `Set ${name} to the http(s) address of the API, such as http://127.0.0.1:11434/v1.`
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : null
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new HubError('invalid_config', `${name} is not an http(s) address.`, { hint })
  }
  // It is logged and shown, so it must hold no secret.
  if (url.username || url.password || url.search || url.hash) {
    throw new HubError('invalid_config', `${name} carries a user, a password or a query.`, { hint })
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

/** Which API each provider's models are called by, as runtimes are told. */
export function apisOf(providers: Providers['providers']): Record<string, CallFormat> {
  return Object.fromEntries([...providers.values()].map(({ id, api }) => [id, api]))
}
