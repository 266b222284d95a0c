import * as z from 'zod'
import { type Capabilities, SecretReference } from '../../core/index.ts'

/** Set by the adapter for each request; a configured header of the same name would break the request or its signature. */
const RESERVED =
  /^(host|connection|content-length|content-type|transfer-encoding|expect|upgrade|idempotency-key|traceparent|webhook-.*)$/i

const HeaderName = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'must be the name of an HTTP header')
  .refine((name) => !RESERVED.test(name), 'is a header that the hub sets itself')

/** What a header can carry; a line break in it would begin another one. */
const HeaderValue = z
  .string()
  .max(8_192)
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'must be text that a header can carry: no line breaks')

const flag = (description: string) => z.boolean().default(false).describe(description)

/** What the agent honours of `config` in a request. An agent definition that asks for more is refused when it is bound. */
const Accepts = z.strictObject({
  instructions: z.enum(['replace', 'append', 'none']).default('none'),
  model: flag('Runs on the model that the request names.'),
  env: flag('Sets the variables of `config.env` for its tools.'),
  skills: flag('Loads the skills that the request names.'),
  mcp_servers: flag("Connects to the hub's MCP gateway; the request then carries its URL and a token of the session."),
  permissions: flag('Asks, allows or denies tools as `config.permissions` says.'),
  files: flag('Reads the files of a request; at most 10 MiB together.'),
  model_endpoint: flag(
    "Calls models through the hub's relay; the request then carries its URL and a token of the session.",
  ),
})

export const HttpSettings = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
      .refine(
        (url) => !URL.canParse(url) || (new URL(url).username === '' && new URL(url).password === ''),
        'must hold no user and no password: use headers with a secret reference',
      )
      .describe('Where runs are posted; further paths are below it.'),
    secret: SecretReference.optional().describe(
      'Standard Webhooks secret (`whsec_` and base64): requests are signed with it, callbacks verified.',
    ),
    headers: z
      .record(HeaderName, z.union([HeaderValue, z.strictObject({ secret: SecretReference })]))
      .default({})
      .describe('Sent with every request, for example `authorization: {secret: env:AGENT_TOKEN}`.'),
    mode: z
      .enum(['sync', 'stream', 'async'])
      .default('sync')
      .describe('How the agent answers: one JSON, an event stream, or 202 and callbacks.'),
    durable: flag(
      'It answers GET runs/{id} and runs/{id}/events, POST runs/{id}/cancel, outlives a closed connection, and starts a run_id once.',
    ),
    idempotent: flag('The same Idempotency-Key twice starts one run. Implied by durable.'),
    sessions: flag('It keeps the conversation of a session_id over runs.'),
    cancel: flag(
      'It answers POST runs/{id}/cancel. Implied by durable; else a run is stopped by closing its connection.',
    ),
    answers: flag('It asks for input by `interrupt` events and answers POST runs/{id}/answer.'),
    steer: flag('It answers POST runs/{id}/steer.'),
    usage: z.enum(['none', 'tokens', 'cost']).default('none').describe('What it reports of its usage.'),
    accepts: Accepts.prefault({}),
    timeout_seconds: z
      .number()
      .int()
      .min(1)
      .max(600)
      .default(30)
      .describe('How long a connection and the head of an answer may take; a run itself may last longer.'),
    allow_private_addresses: flag(
      'True: the URL may lead to this computer or a private network. Metadata addresses stay refused.',
    ),
  })
  .refine(({ mode, durable, secret }) => mode !== 'async' || durable || secret !== undefined, {
    path: ['secret'],
    error: 'is needed with mode async: callbacks are verified with it',
  })
export type HttpSettings = z.infer<typeof HttpSettings>

/** What an agent with these settings can do; nothing is claimed that the settings do not say. */
export function toCapabilities(settings: HttpSettings): Capabilities {
  const { mode, durable, accepts } = settings
  const { model_endpoint: _, ...config } = accepts
  return {
    continue: settings.sessions,
    deltas: mode !== 'sync',
    // Callbacks are kept by the hub under their seq; an answer's body is lost with its connection.
    resume: durable || mode === 'async' ? 'cursor' : 'none',
    cancel: durable || settings.cancel ? 'cooperative' : mode === 'async' ? 'none' : 'kill',
    steer: settings.steer,
    interrupts: settings.answers ? ['permission', 'question', 'client_tool', 'sign_in'] : [],
    usage: settings.usage === 'none' ? 'none' : 'run',
    cost: settings.usage === 'cost',
    idempotent_start: durable || settings.idempotent,
    placement: 'anywhere',
    config,
  }
}
