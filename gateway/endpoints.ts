import type { Provider } from './providers.ts'
import type { CallFormat } from './usage.ts'

export type Endpoint = {
  method: 'GET' | 'POST'
  /** After `/{provider}/v1`, and after the provider's base URL. */
  path: string
  /** How its usage is read; null: it uses nothing. */
  format: CallFormat | null
  serves: readonly Provider['dialect'][]
  /** Whose error bodies its callers expect. */
  dialect: Provider['dialect']
}

/** All that the relay serves. */
export const ENDPOINTS: readonly Endpoint[] = [
  { method: 'POST', path: '/chat/completions', format: 'chat', serves: ['openai', 'demo'], dialect: 'openai' },
  { method: 'POST', path: '/responses', format: 'responses', serves: ['openai'], dialect: 'openai' },
  { method: 'POST', path: '/messages', format: 'messages', serves: ['anthropic'], dialect: 'anthropic' },
  { method: 'POST', path: '/messages/count_tokens', format: null, serves: ['anthropic'], dialect: 'anthropic' },
  { method: 'GET', path: '/models', format: null, serves: ['openai', 'anthropic', 'demo'], dialect: 'openai' },
]
