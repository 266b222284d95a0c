import * as z from 'zod'
import { type Health, HubError, type RuntimeIO, RuntimeRejection } from '../../core/index.ts'
import { type Answer, ask, type Connection, reasonOf } from './connection.ts'
import type { HttpSettings } from './settings.ts'

/** What an agent may say of itself on `GET {url}`; all of it is optional. */
const Card = z.object({
  version: z.string().max(100).optional(),
  models: z.array(z.string().max(200)).max(1_000).optional(),
  durable: z.boolean().optional(),
  idempotent: z.boolean().optional(),
  sessions: z.boolean().optional(),
  cancel: z.boolean().optional(),
  answers: z.boolean().optional(),
  steer: z.boolean().optional(),
})
const CLAIMS = ['durable', 'idempotent', 'sessions', 'cancel', 'answers', 'steer'] as const

/** Whether the agent can be reached and says that it does what the settings claim. Never throws for what the agent does. */
export async function checkHealth(connection: Connection, io: RuntimeIO): Promise<Health> {
  const checked_at = new Date().toISOString()
  const health = (
    status: Health['status'],
    message: string | null,
    remedy: string | null,
    card: z.infer<typeof Card> = {},
  ): Health => ({
    status,
    version: card.version ?? null,
    models: card.models ?? [],
    message,
    remedy,
    checked_at,
  })
  let answer: Answer
  try {
    answer = await ask(connection, { method: 'GET', path: '', signal: io.signal })
  } catch (error) {
    if (io.signal.aborted) throw error
    return health('down', error instanceof Error ? error.message : 'The agent cannot be reached.', remedyOf(error))
  }
  if (answer.status === 401 || answer.status === 403) {
    return health(
      'degraded',
      `The agent refuses the hub: ${reasonOf(answer)}`,
      'Check `secret` and `headers` in the settings of the runtime.',
    )
  }
  if (answer.status >= 500)
    return health('degraded', `The agent answered ${reasonOf(answer)}`, 'Look at the log of the agent.')
  if (answer.status >= 300 && answer.status < 400) {
    return health(
      'degraded',
      `The agent redirects (status ${answer.status}), which is not followed.`,
      'Set the final URL in the settings of the runtime.',
    )
  }
  // Whoever answers is there: GET {url} is optional.
  const parsed = Card.safeParse(answer.status === 200 ? answer.json : null)
  if (!parsed.success) return health('ok', null, null)
  const missing = contradictions(connection.settings, parsed.data)
  if (missing.length === 0) return health('ok', null, null, parsed.data)
  const names = missing.join(', ')
  return health(
    'degraded',
    `The settings claim ${names}, and the agent says that it does not do so.`,
    `Remove ${names} from the settings of the runtime, or update the agent.`,
    parsed.data,
  )
}

function contradictions(settings: HttpSettings, card: z.infer<typeof Card>): string[] {
  return CLAIMS.filter((claim) => settings[claim] && card[claim] === false)
}

function remedyOf(error: unknown): string {
  const message = error instanceof Error ? error.message : ''
  if (message.includes('allow_private_addresses'))
    return 'If the agent is meant to be there, set `allow_private_addresses: true` in the settings of the runtime.'
  if (error instanceof RuntimeRejection && error.cause instanceof HubError) return error.cause.hint
  return 'Start the agent, or correct `url` in the settings of the runtime.'
}
