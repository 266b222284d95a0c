import { sql } from 'drizzle-orm'
import { bigint, boolean, index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core'
import type { Ref, RuntimeInterrupt } from '../ports.ts'
import type { AgentDefinition, Health, InterruptOption, RuntimeDefinition, ScheduleDefinition } from '../shapes.ts'
import { at, users } from './access.ts'

type Definition = AgentDefinition | RuntimeDefinition | ScheduleDefinition

/** What agents, runtimes and schedules have in common: a name, a version, and the definition of that version. */
const declared = <T extends Definition>() => ({
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  version: integer('version').notNull(),
  definition: jsonb('definition').$type<T>().notNull(),
  managedBy: text('managed_by', { enum: ['api', 'config', 'hub'] }).notNull(),
  createdAt: at('created_at').notNull().defaultNow(),
  updatedAt: at('updated_at').notNull().defaultNow(),
  deletedAt: at('deleted_at'),
})

export const agents = pgTable(
  'agents',
  {
    ...declared<AgentDefinition>(),
    /** Small and never used again: what an operating system user id can be derived from. */
    number: integer('number').generatedAlwaysAsIdentity().notNull(),
    /** Copied from limits.concurrency, since the claim counts on it. */
    concurrency: integer('concurrency'),
  },
  (t) => [uniqueIndex('agents_name').on(t.name).where(sql`deleted_at is null`)],
)

export const runtimes = pgTable(
  'runtimes',
  {
    ...declared<RuntimeDefinition>(),
    concurrency: integer('concurrency'),
    health: jsonb('health').$type<Health>(),
  },
  (t) => [uniqueIndex('runtimes_name').on(t.name).where(sql`deleted_at is null`)],
)

export const schedules = pgTable(
  'schedules',
  {
    ...declared<ScheduleDefinition>(),
    ownerId: text('owner_id')
      .notNull()
      .references(() => users.id),
    /** Null: disabled. */
    nextRunAt: at('next_run_at'),
    lastRunId: text('last_run_id'),
  },
  (t) => [
    uniqueIndex('schedules_name').on(t.name).where(sql`deleted_at is null`),
    index('schedules_due').on(t.nextRunAt),
  ],
)

/** Every version that ever was, of agents, runtimes and schedules; rows are never changed. */
export const versions = pgTable(
  'versions',
  {
    subjectId: text('subject_id').notNull(),
    version: integer('version').notNull(),
    definition: jsonb('definition').$type<Definition>().notNull(),
    createdBy: text('created_by').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.subjectId, t.version] })],
)

export const sessions = pgTable(
  'sessions',
  {
    id: text('id').primaryKey(),
    agentId: text('agent_id')
      .notNull()
      .references(() => agents.id),
    agentVersion: integer('agent_version').notNull(),
    runtimeId: text('runtime_id')
      .notNull()
      .references(() => runtimes.id),
    /** Null: any replica may work on it; else the replica whose harness holds it. */
    placement: text('placement'),
    ref: jsonb('ref').$type<Ref>(),
    title: text('title'),
    createdBy: text('created_by')
      .notNull()
      .references(() => users.id),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [index('sessions_agent').on(t.agentId, t.id), index('sessions_created_by').on(t.createdBy, t.id)],
)

export type RunInput = { text: string; files: string[] }
export type StoredActor = { userId: string; name: string; surface: string; onBehalfOf: string | null }

/** A run is its own queue entry and its own state machine. */
export const runs = pgTable(
  'runs',
  {
    id: text('id').primaryKey(),
    sessionId: text('session_id')
      .notNull()
      .references(() => sessions.id),
    agentId: text('agent_id')
      .notNull()
      .references(() => agents.id),
    agentVersion: integer('agent_version').notNull(),
    runtimeId: text('runtime_id')
      .notNull()
      .references(() => runtimes.id),
    /** First come, first served within a session and an agent. */
    position: bigint('position', { mode: 'number' }).generatedAlwaysAsIdentity().notNull(),
    status: text('status', {
      enum: ['queued', 'running', 'awaiting_input', 'succeeded', 'failed', 'cancelled'],
    }).notNull(),
    /** How far towards the runtime: nothing sent, ref stored and maybe sent, accepted. */
    phase: text('phase', { enum: ['new', 'starting', 'started'] })
      .notNull()
      .default('new'),
    input: jsonb('input').$type<RunInput>().notNull(),
    output: text('output'),
    errorCode: text('error_code'),
    errorMessage: text('error_message'),
    actor: jsonb('actor').$type<StoredActor>().notNull(),
    createdBy: text('created_by')
      .notNull()
      .references(() => users.id),
    scheduleId: text('schedule_id'),
    /** One per request from outside: the same request twice is one run. */
    requestKey: text('request_key').unique(),
    requestDigest: text('request_digest'),
    ref: jsonb('ref').$type<Ref>(),
    cursor: text('cursor'),
    /** The last event that `cursor` covers: text after it is told again by the runtime and skipped. */
    cursorSeq: integer('cursor_seq').notNull().default(0),
    holder: text('holder'),
    fence: integer('fence').notNull().default(0),
    leaseUntil: at('lease_until'),
    nextSeq: integer('next_seq').notNull().default(1),
    deadlineAt: at('deadline_at'),
    stopRequestedAt: at('stop_requested_at'),
    stopReason: text('stop_reason'),
    inputTokens: bigint('input_tokens', { mode: 'number' }).notNull().default(0),
    outputTokens: bigint('output_tokens', { mode: 'number' }).notNull().default(0),
    cacheReadTokens: bigint('cache_read_tokens', { mode: 'number' }).notNull().default(0),
    cacheWriteTokens: bigint('cache_write_tokens', { mode: 'number' }).notNull().default(0),
    modelCalls: integer('model_calls').notNull().default(0),
    costMicroUsd: bigint('cost_micro_usd', { mode: 'number' }).notNull().default(0),
    costKind: text('cost_kind', { enum: ['none', 'list', 'charged', 'estimated'] })
      .notNull()
      .default('none'),
    meteredInputTokens: bigint('metered_input_tokens', { mode: 'number' }).notNull().default(0),
    meteredOutputTokens: bigint('metered_output_tokens', { mode: 'number' }).notNull().default(0),
    meteredCacheReadTokens: bigint('metered_cache_read_tokens', { mode: 'number' }).notNull().default(0),
    meteredCacheWriteTokens: bigint('metered_cache_write_tokens', { mode: 'number' }).notNull().default(0),
    meteredCalls: integer('metered_calls').notNull().default(0),
    redactions: integer('redactions').notNull().default(0),
    createdAt: at('created_at').notNull().defaultNow(),
    startedAt: at('started_at'),
    finishedAt: at('finished_at'),
  },
  (t) => [
    index('runs_queue').on(t.agentId, t.position).where(sql`status = 'queued'`),
    index('runs_open').on(t.sessionId, t.position).where(sql`status in ('queued', 'running', 'awaiting_input')`),
    index('runs_held').on(t.leaseUntil).where(sql`status in ('running', 'awaiting_input')`),
    index('runs_session').on(t.sessionId, t.id),
    index('runs_agent').on(t.agentId, t.id),
    index('runs_created_by').on(t.createdBy, t.id),
    index('runs_schedule').on(t.scheduleId, t.id).where(sql`schedule_id is not null`),
  ],
)

/** The append-only log of each run: gapless `seq` from 1, one writer at a time (runs.fence). */
export const events = pgTable(
  'events',
  {
    runId: text('run_id')
      .notNull()
      .references(() => runs.id),
    seq: integer('seq').notNull(),
    type: text('type').notNull(),
    data: jsonb('data').$type<Record<string, unknown>>().notNull(),
    at: at('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.runId, t.seq] })],
)

/** What is said to a run at work; whoever holds the run takes it from here, so that any replica can say it. */
export const runMessages = pgTable(
  'run_messages',
  {
    id: text('id').primaryKey(),
    runId: text('run_id')
      .notNull()
      .references(() => runs.id),
    type: text('type', { enum: ['answer', 'steer', 'cancel'] }).notNull(),
    body: jsonb('body').$type<Record<string, unknown>>().notNull(),
    requestKey: text('request_key').unique(),
    createdAt: at('created_at').notNull().defaultNow(),
    handledAt: at('handled_at'),
    result: text('result'),
  },
  (t) => [index('run_messages_open').on(t.runId, t.id).where(sql`handled_at is null`)],
)

export const approvals = pgTable(
  'approvals',
  {
    id: text('id').primaryKey(),
    runId: text('run_id')
      .notNull()
      .references(() => runs.id),
    nativeId: text('native_id').notNull(),
    kind: text('kind', { enum: ['permission', 'question', 'client_tool', 'sign_in'] })
      .notNull()
      .$type<RuntimeInterrupt['kind']>(),
    status: text('status', { enum: ['pending', 'decided', 'expired', 'cancelled'] })
      .notNull()
      .default('pending'),
    message: text('message').notNull(),
    tool: text('tool'),
    arguments: jsonb('arguments').$type<unknown>(),
    digest: text('digest').notNull(),
    options: jsonb('options').$type<InterruptOption[]>().notNull(),
    optionId: text('option_id'),
    note: text('note'),
    decidedBy: text('decided_by').references(() => users.id),
    decidedAt: at('decided_at'),
    expiresAt: at('expires_at').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('approvals_native').on(t.runId, t.nativeId),
    index('approvals_pending').on(t.expiresAt).where(sql`status = 'pending'`),
  ],
)

/** What runtimes post back by callback, for whichever replica holds the run. */
export const inbox = pgTable(
  'inbox',
  {
    runId: text('run_id')
      .notNull()
      .references(() => runs.id),
    seq: integer('seq').notNull(),
    event: jsonb('event').$type<unknown>().notNull(),
    at: at('at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.runId, t.seq] })],
)

/** Files in and out of runs; the content is in the data folder under its id. */
export const artifacts = pgTable(
  'artifacts',
  {
    id: text('id').primaryKey(),
    runId: text('run_id').references(() => runs.id),
    name: text('name').notNull(),
    mediaType: text('media_type').notNull(),
    bytes: bigint('bytes', { mode: 'number' }).notNull(),
    sha256: text('sha256').notNull(),
    createdBy: text('created_by').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [index('artifacts_run').on(t.runId), index('artifacts_expiry').on(t.expiresAt)],
)

/** Hub processes at work; a placement not seen for long is lost. */
export const replicas = pgTable('replicas', {
  placement: text('placement').primaryKey(),
  holder: text('holder').notNull(),
  seenAt: at('seen_at').notNull().defaultNow(),
})

/** Answers to POST requests that carried an Idempotency-Key, kept 24 hours. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    key: text('key').primaryKey(),
    digest: text('digest').notNull(),
    status: integer('status'),
    response: jsonb('response').$type<unknown>(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [index('idempotency_keys_age').on(t.createdAt)],
)

/** Tokens that runtimes use on the hub: for one session and one purpose, dead when the run is over. */
export const sessionTokens = pgTable(
  'session_tokens',
  {
    hash: text('hash').primaryKey(),
    sessionId: text('session_id')
      .notNull()
      .references(() => sessions.id),
    runId: text('run_id')
      .notNull()
      .references(() => runs.id),
    purpose: text('purpose', { enum: ['model', 'mcp'] }).notNull(),
    expiresAt: at('expires_at').notNull(),
    revoked: boolean('revoked').notNull().default(false),
  },
  (t) => [index('session_tokens_run').on(t.runId)],
)

/** What signalbox.yaml says about the hub as a whole. */
export const settings = pgTable('settings', {
  key: text('key').primaryKey(),
  value: jsonb('value').$type<unknown>().notNull(),
})
