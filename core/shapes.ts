/**
 * The nouns that cross a door (REST, MCP, CLI, config file), each declared once, with wire names (snake_case).
 * Core takes and returns them; doors parse with them. Times are ISO 8601 in UTC, money is integer micro-dollars.
 */
import * as z from 'zod'

export const RunStatus = z.enum(['queued', 'running', 'awaiting_input', 'succeeded', 'failed', 'cancelled'])
export type RunStatus = z.infer<typeof RunStatus>
export const terminalStatuses: readonly RunStatus[] = ['succeeded', 'failed', 'cancelled']
export const isTerminal = (status: RunStatus): boolean => terminalStatuses.includes(status)

/** Names people type: `reviewer`, `data-analysis`. */
export const Name = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,62}$/,
    'must be 1 to 63 lower-case letters, digits or dashes, starting with a letter or digit',
  )

const seconds = (max: number) => z.number().int().min(1).max(max)

export const Limits = z.strictObject({
  seconds: seconds(86_400).optional().describe('Wall clock of one run, waiting for people not counted; default 1800.'),
  silence_seconds: seconds(86_400)
    .optional()
    .describe('No event for this long: the runtime is asked, then the run fails; default 300.'),
  input_seconds: seconds(2_592_000)
    .optional()
    .describe('How long a run waits for a person before the question is rejected; default 86400.'),
  turns: z.number().int().min(1).max(10_000).optional().describe('Model calls in one run.'),
  tokens: z.number().int().min(1).optional().describe('Input plus output tokens in one run.'),
  concurrency: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('Runs of this agent at work at once; default unlimited.'),
  cost_micro_usd: z.number().int().min(1).optional().describe('Cost of one run in micro-dollars.'),
})
export type Limits = z.infer<typeof Limits>

/** `env:NAME` (environment of the hub) or `file:/absolute/path`. */
export const SecretReference = z
  .string()
  .regex(/^(env:[A-Za-z_][A-Za-z0-9_]*|file:\/.+)$/, 'must be env:NAME or file:/absolute/path')
  .describe('`env:NAME` (an environment variable of the hub) or `file:/absolute/path`.')

export const EnvValue = z
  .union([z.string().max(32_768), z.strictObject({ secret: SecretReference })])
  .describe('Text, or `{secret: env:NAME}`. Put numbers in quotes.')

export const RuntimeSelector = z.strictObject({
  any: z.array(Name).min(1).optional().describe('Names of runtimes, in order of preference.'),
  kind: z.string().optional().describe('Any runtime of this kind.'),
  labels: z.record(z.string(), z.string()).optional().describe('Any runtime that has all these labels.'),
})

export const PermissionAction = z.enum(['allow', 'ask', 'deny'])

/** What an agent is. Each change makes a new immutable version. */
export const AgentDefinition = z.strictObject({
  description: z.string().max(1_000).optional().describe('What the agent is for, in a sentence.'),
  instructions: z.string().max(100_000).default('').describe('What the agent is told before every prompt.'),
  model: z.string().min(1).max(200).optional().describe('provider/model; left out: the default of the runtime.'),
  runtime: z
    .union([Name, RuntimeSelector])
    .default('inline')
    .describe('Name of a runtime, or what it must be like: {any, kind, labels}.'),
  team: Name.optional().describe('The team that owns it.'),
  limits: Limits.default({}).describe('Limits of one run, and how many may be at work at once.'),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a name of an environment variable'), EnvValue)
    .default({})
    .describe('Environment variables of its tools.'),
  skills: z.array(Name).default([]).describe('Names of skills.'),
  mcp_servers: z.array(Name).default([]).describe('Names of MCP servers.'),
  permissions: z
    .record(z.string().min(1).max(100), PermissionAction)
    .default({})
    .describe('Per tool (read, edit, bash, webfetch, ...): allow, ask a person, or deny.'),
  repeat_safe: z.boolean().default(false).describe('True: after a crash the prompt may be sent again.'),
  labels: z.record(z.string(), z.string()).default({}).describe('Names and values of your own.'),
})
export type AgentDefinition = z.infer<typeof AgentDefinition>

export const RuntimeDefinition = z.strictObject({
  kind: z.string().min(1).max(63).describe('What runs the agents.'),
  description: z.string().max(1_000).optional().describe('What it is for, in a sentence.'),
  settings: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('What this kind of runtime takes; secrets by reference only.'),
  concurrency: z.number().int().min(1).max(10_000).optional().describe('Runs at work at once on this runtime.'),
  team: Name.optional().describe('The team that owns it.'),
  labels: z.record(z.string(), z.string()).default({}).describe('What agents may choose it by.'),
})
export type RuntimeDefinition = z.infer<typeof RuntimeDefinition>

export const ScheduleDefinition = z.strictObject({
  agent: Name.describe('The agent that runs.'),
  cron: z.string().min(1).max(200).describe('A node-cron expression: 5 fields, or 6 with seconds first.'),
  timezone: z.string().default('UTC').describe('An IANA time zone.'),
  prompt: z.string().min(1).max(200_000).describe('What it is asked each time.'),
  enabled: z.boolean().default(true).describe('False: it does not run by the clock.'),
  misfire: z
    .enum(['skip', 'once', 'all'])
    .default('once')
    .describe('Ticks missed while no hub ran: drop them, run once, run each (at most 100).'),
  overlap: z.enum(['skip', 'queue']).default('skip').describe('When the last run of this schedule is still at work.'),
})
export type ScheduleDefinition = z.infer<typeof ScheduleDefinition>

/** How a stored definition is identified; the same for agents, runtimes and schedules. */
const stored = {
  id: z.string(),
  name: Name,
  version: z.number().int(),
  managed_by: z
    .enum(['api', 'config', 'hub'])
    .describe('Who may change it: the API, signalbox.yaml (only by apply), or the hub (built in; both may).'),
  created_at: z.string(),
  updated_at: z.string(),
}

export const Agent = z.object({
  ...stored,
  ...AgentDefinition.shape,
  active_runs: z.number().int(),
  queued_runs: z.number().int(),
})
export type Agent = z.infer<typeof Agent>

export const Capabilities = z.object({
  continue: z.boolean().describe('A session keeps its conversation over runs.'),
  deltas: z.boolean().describe('Text arrives while it is written.'),
  resume: z
    .enum(['cursor', 'history', 'none'])
    .describe('After a lost connection: from a cursor, by reading what happened, or not at all.'),
  cancel: z.enum(['sync', 'cooperative', 'kill', 'none']),
  steer: z.boolean(),
  interrupts: z.array(z.enum(['permission', 'question', 'client_tool', 'sign_in'])),
  usage: z.enum(['run', 'session', 'none']),
  cost: z.boolean(),
  idempotent_start: z.boolean().describe('Sending the same run twice starts it once.'),
  placement: z.enum(['replica', 'anywhere']).describe('replica: a session lives in the hub replica that started it.'),
  config: z.object({
    instructions: z.enum(['replace', 'append', 'none']),
    model: z.boolean(),
    env: z.boolean(),
    skills: z.boolean(),
    mcp_servers: z.boolean(),
    permissions: z.boolean(),
    files: z.boolean(),
  }),
})
export type Capabilities = z.infer<typeof Capabilities>

export const Health = z.object({
  status: z.enum(['ok', 'degraded', 'down', 'unknown']),
  version: z.string().nullable(),
  models: z.array(z.string()),
  message: z.string().nullable().describe('What is wrong, when something is.'),
  remedy: z.string().nullable().describe('What to do about it.'),
  checked_at: z.string().nullable(),
})
export type Health = z.infer<typeof Health>

export const RuntimeInfo = z.object({
  ...stored,
  ...RuntimeDefinition.shape,
  capabilities: Capabilities,
  health: Health,
  active_runs: z.number().int(),
})
export type RuntimeInfo = z.infer<typeof RuntimeInfo>

export const Schedule = z.object({
  ...stored,
  ...ScheduleDefinition.shape,
  owner: z.string().describe('The user on whose behalf it runs.'),
  next_runs: z.array(z.string()).describe('The next five times.'),
  last_run_id: z.string().nullable(),
})
export type Schedule = z.infer<typeof Schedule>

export const Version = z.object({
  version: z.number().int(),
  definition: z.record(z.string(), z.unknown()),
  created_by: z.string(),
  created_at: z.string(),
})
export type Version = z.infer<typeof Version>

export const Usage = z.object({
  input_tokens: z.number().int(),
  output_tokens: z.number().int(),
  cache_read_tokens: z.number().int(),
  cache_write_tokens: z.number().int(),
  model_calls: z.number().int(),
  cost_micro_usd: z.number().int(),
  cost_kind: z.enum(['none', 'list', 'charged', 'estimated']),
})
export type Usage = z.infer<typeof Usage>

export const RunError = z.object({ code: z.string(), message: z.string(), hint: z.string() })

export const InterruptOption = z.object({
  id: z.string(),
  label: z.string(),
  kind: z.enum(['allow_once', 'allow_always', 'reject_once', 'reject_always', 'answer']),
})
export type InterruptOption = z.infer<typeof InterruptOption>

export const ApprovalStatus = z.enum(['pending', 'decided', 'expired', 'cancelled'])
export type ApprovalStatus = z.infer<typeof ApprovalStatus>

/** What a run waits for. A permission is decided by option; a question may also be answered by a message to the session. */
export const Approval = z.object({
  id: z.string(),
  run_id: z.string(),
  session_id: z.string(),
  agent: z.string(),
  kind: z.enum(['permission', 'question', 'client_tool', 'sign_in']),
  status: ApprovalStatus,
  message: z.string(),
  tool: z.string().nullable(),
  arguments: z.unknown().nullable(),
  digest: z.string().describe('sha256 over tool and arguments: what exactly is decided.'),
  options: z.array(InterruptOption),
  option_id: z.string().nullable(),
  note: z.string().nullable(),
  decided_by: z.string().nullable(),
  decided_at: z.string().nullable(),
  expires_at: z.string(),
  created_at: z.string(),
})
export type Approval = z.infer<typeof Approval>

export const Run = z.object({
  id: z.string(),
  session_id: z.string(),
  agent: z.string(),
  agent_version: z.number().int(),
  runtime: z.string(),
  status: RunStatus,
  prompt: z.string(),
  output: z.string().nullable(),
  error: RunError.nullable(),
  usage: Usage,
  pending: z.array(Approval),
  last_seq: z.number().int(),
  redactions: z.number().int().describe('Secrets replaced in what this run wrote.'),
  stop_requested_at: z.string().nullable(),
  created_by: z.string(),
  created_at: z.string(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
})
export type Run = z.infer<typeof Run>

/** One entry of a run's log: AG-UI 1.0 fields beside `seq` and `at`. */
export const RunEvent = z.looseObject({ seq: z.number().int(), at: z.string(), type: z.string() })
export type RunEvent = z.infer<typeof RunEvent>

export const EventPage = z.object({ events: z.array(RunEvent), next_after: z.number().int(), done: z.boolean() })
export type EventPage = z.infer<typeof EventPage>

export const Session = z.object({
  id: z.string(),
  agent: z.string(),
  agent_version: z.number().int(),
  runtime: z.string(),
  title: z.string().nullable(),
  status: z.enum(['idle', 'queued', 'running', 'awaiting_input']),
  runs: z.number().int(),
  usage: Usage,
  created_by: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
})
export type Session = z.infer<typeof Session>

export const FileInfo = z.object({
  id: z.string(),
  run_id: z.string().nullable(),
  name: z.string(),
  media_type: z.string(),
  bytes: z.number().int(),
  sha256: z.string(),
  created_at: z.string(),
  expires_at: z.string(),
})
export type FileInfo = z.infer<typeof FileInfo>

export const MessageMode = z.enum(['queue', 'steer', 'interrupt'])
export type MessageMode = z.infer<typeof MessageMode>

const prompt = z
  .string()
  .min(1)
  .max(200_000)
  .regex(/[^\s\p{Cc}]/u, 'must not be blank')
const files = z.array(z.string()).max(20).optional().describe('Ids from POST /files.')

/** A request for work. With `session_id` it goes on in that session, else it opens one. */
export const StartRun = z.strictObject({
  agent: z.string().min(1).describe('Name or id.'),
  prompt,
  session_id: z.string().optional(),
  mode: MessageMode.default('queue').describe('What happens when the session is at work; see sessions/{id}/messages.'),
  files,
})
export type StartRun = z.input<typeof StartRun>

export const SendMessage = z.strictObject({
  prompt,
  mode: MessageMode.default('queue').describe(
    'queue: a new run after the others; steer: into the run at work; interrupt: stop that run and start a new one.',
  ),
  files,
})
export type SendMessage = z.input<typeof SendMessage>

export const Decision = z.strictObject({ option_id: z.string().min(1), note: z.string().max(4_000).optional() })
export type Decision = z.infer<typeof Decision>

export const Token = z.object({
  id: z.string(),
  name: z.string(),
  user: z.string(),
  prefix: z.string().describe('The first characters of the token, to tell it from others.'),
  created_at: z.string(),
  expires_at: z.string().nullable(),
  last_used_at: z.string().nullable(),
})
export type Token = z.infer<typeof Token>

export const UsageBy = z.enum(['agent', 'runtime', 'session', 'user', 'day'])
export type UsageBy = z.infer<typeof UsageBy>
export const UsageReport = z.object({
  by: UsageBy,
  since: z.string().nullable(),
  rows: z.array(z.object({ key: z.string(), runs: z.number().int(), usage: Usage })),
})
export type UsageReport = z.infer<typeof UsageReport>

/** A page of a list, newest first unless said otherwise; `next_cursor` is null on the last page. */
export type Page<T> = { data: T[]; next_cursor: string | null }
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().optional(),
})
