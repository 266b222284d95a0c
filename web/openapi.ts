import { zodToOpenAPIRegistry } from '@asteasolutions/zod-to-openapi'
import { z } from '@hono/zod-openapi'
import * as shapes from '../core/index.ts'
import { type ErrorCode, errorTable } from '../core/index.ts'
import type { Api } from './env.ts'

// The keys of an object, by its own type; errorTable's keys are the codes.
const codes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]]

const ErrorAnswer = z.object({
  error: z.object({
    code: z.enum(codes).describe('Stable; match on this.'),
    message: z.string().describe('What happened, with the ids.'),
    hint: z.string().describe('What to do next.'),
    request_id: z.string().describe('Also in the header x-request-id and in the log of the hub.'),
    details: z.unknown().optional().describe('Particulars for programs, such as the list of problems.'),
  }),
})

/** A definition as it is answered: what has a default when it is sent is always there when it is read. */
const answered = <T extends z.ZodRawShape>(schema: z.ZodObject<T>) =>
  z.object(
    // Only the wrapper of the default goes; what is answered has the type that parsing gives.
    Object.fromEntries(
      Object.entries(schema.shape).map(([key, field]) => [key, field instanceof z.ZodDefault ? field.unwrap() : field]),
    ) as unknown as T,
  )

export const Agent = answered(shapes.Agent)
export const RuntimeInfo = answered(shapes.RuntimeInfo)
export const Schedule = answered(shapes.Schedule)

/** What POST takes, and what PATCH takes: any of the fields, null to remove one, and the version that is changed. */
const declared = (definition: z.ZodObject) => ({
  create: z.strictObject({ name: shapes.Name, ...definition.shape }),
  change: z.strictObject({
    ...Object.fromEntries(
      Object.entries(definition.shape).map(([key, field]) => {
        const bare = field instanceof z.ZodDefault ? field.unwrap() : field
        return [key, z.union([bare as z.ZodType, z.null()]).optional()]
      }),
    ),
    version: z
      .number()
      .int()
      .optional()
      .describe('The version this change was made for; another one is `version_conflict`.'),
  }),
})

export const Plan = z.object({
  changes: z.array(
    z.object({
      action: z.enum(['create', 'update', 'delete', 'keep']),
      kind: z.enum(['team', 'runtime', 'agent', 'schedule', 'limits']),
      name: z.string(),
      fields: z.array(z.string()).describe('What an update changes.'),
    }),
  ),
  pending: z.boolean().describe('False when nothing would change.'),
})

export const Problem = z.object({
  line: z.number().int().nullable(),
  column: z.number().int().nullable(),
  path: z.string(),
  message: z.string(),
  hint: z.string(),
})

export const StopRun = z.strictObject({ reason: z.string().max(1_000).optional().describe('Kept with the run.') })

/** What the document calls them; a shape in here is referred to, wherever it appears. */
const components: Record<string, z.ZodType> = {
  Error: ErrorAnswer,
  Run: shapes.Run,
  RunStatus: shapes.RunStatus,
  RunEvent: shapes.RunEvent,
  EventPage: shapes.EventPage,
  Session: shapes.Session,
  Approval: shapes.Approval,
  InterruptOption: shapes.InterruptOption,
  Usage: shapes.Usage,
  UsageReport: shapes.UsageReport,
  FileInfo: shapes.FileInfo,
  Token: shapes.Token,
  Version: shapes.Version,
  Limits: shapes.Limits,
  Capabilities: shapes.Capabilities,
  Health: shapes.Health,
  Agent,
  Runtime: RuntimeInfo,
  Schedule,
  Plan,
  Problem,
}

/** Gives the wire shapes their names. The shapes are made in core, before zod knows of OpenAPI, so they are named in its registry. */
export function nameComponents(api: Api): void {
  for (const [refId, schema] of Object.entries(components)) {
    zodToOpenAPIRegistry.add(schema, { _internal: { refId } })
  }
  api.openAPIRegistry.register('StopRun', StopRun)
  for (const [noun, definition] of Object.entries(definitions)) {
    const { create, change } = declared(definition)
    api.openAPIRegistry.register(`New${noun}`, create)
    api.openAPIRegistry.register(`${noun}Change`, change)
  }
}

const definitions = {
  Agent: shapes.AgentDefinition,
  Runtime: shapes.RuntimeDefinition,
  Schedule: shapes.ScheduleDefinition,
}

/** A JSON body that core parses, so that every surface lists the same problems: here it is only described. */
export const describedBody = (component: `New${keyof typeof definitions}` | `${keyof typeof definitions}Change`) => ({
  required: true as const,
  content: { 'application/json': { schema: { $ref: `#/components/schemas/${component}` } } },
})

export const json = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

/** A JSON body, which has to be there. */
export const body = <T extends z.ZodType>(schema: T) => ({
  required: true as const,
  content: { 'application/json': { schema } },
})

export const page = <T extends z.ZodType>(item: T) =>
  z.object({ data: z.array(item), next_cursor: z.string().nullable().describe('Null on the last page.') })

/** What any route behind a token may answer. */
const always: ErrorCode[] = ['invalid_request', 'unauthenticated', 'forbidden', 'internal', 'hub_stopping']

/**
 * The errors of a route, one entry a status. They are thrown, never returned, so they add nothing to what a handler
 * may return: hence the type.
 */
export function errors(...own: ErrorCode[]): Record<never, never> {
  return errorResponses([...new Set([...always, ...own])])
}

/** The errors of a route that asks for no token. */
export function openErrors(...own: ErrorCode[]): Record<never, never> {
  return errorResponses([...new Set<ErrorCode>(['forbidden', 'internal', ...own])])
}

function errorResponses(listed: ErrorCode[]) {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of listed) {
    const { status } = errorTable[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus].map(([status, found]) => [
      status,
      json(ErrorAnswer, found.map((code) => `\`${code}\`: ${errorTable[code].hint}`).join('\n\n')),
    ]),
  )
}

export const IdParam = z.object({ id: z.string().min(1).max(100) })
/** `ref` of a declared thing: agents, runtimes and schedules go by name too. */
export const RefParam = z.object({ id: z.string().min(1).max(100).describe('Name or id.') })

export const IdempotencyHeader = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
    .optional()
    .describe(
      'Makes a repeat of this request safe for 24 hours: the same key and body answer what the first one answered; another body is `idempotency_conflict`.',
    ),
})
export const repeatErrors: ErrorCode[] = ['idempotency_conflict', 'idempotency_in_progress']

/** A whole number in a query or header, where everything is text; the document shows the number. */
export const integer = (range: { min: number; max?: number; description?: string }) => {
  const { min, max = Number.MAX_SAFE_INTEGER, description } = range
  const described = {
    type: 'integer' as const,
    minimum: min,
    maximum: max,
    ...(description === undefined ? {} : { description }),
  }
  return z
    .string()
    .regex(/^\d{1,16}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .openapi(described)
}

export const PageQuery = z.object({
  limit: integer({ min: 1, max: 200, description: 'How many at most; default 50.' }).optional(),
  cursor: z.string().max(200).optional().describe('`next_cursor` of the page before.'),
})
export const Since = z.iso.datetime({ offset: true }).describe('ISO 8601, with zone.')
/** How long an answer may be held back; never longer than 45, below the patience of proxies and tools. */
export const WaitSeconds = z.number().int().min(0).max(45)
