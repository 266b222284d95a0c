import * as z from 'zod'
import type { Problem } from '../core.ts'
import { createScrubber, type Scrubber } from '../secrets/scrubber.ts'
import { AgentDefinition, Limits, Name, RuntimeDefinition, ScheduleDefinition } from '../shapes.ts'
import { type Position, type ReadDocument, readDocument } from './document.ts'
import { explainIssues, type Said } from './issues.ts'
import {
  checkReferences,
  type Declarations,
  findSecrets,
  findUnstorable,
  type Known,
  type KnownKind,
} from './references.ts'

export const TeamDefinition = z.strictObject({
  description: z.string().max(1_000).optional().describe('What the team is for.'),
  members: z.array(z.string().min(1).max(100)).default([]).describe('Names of users.'),
})
export type TeamDefinition = z.infer<typeof TeamDefinition>

/** Limits of the hub; what an agent says itself wins over `defaults`. */
export const HubLimits = z.strictObject({
  defaults: Limits.optional().describe('Limits of every agent that does not set its own.'),
  concurrency: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('Runs at work at once in one hub process; default 512.'),
  file_bytes: z
    .number()
    .int()
    .min(1)
    .max(1_073_741_824)
    .optional()
    .describe('Size of one file in bytes; default 33554432 (32 MiB).'),
  file_retention_days: z
    .number()
    .int()
    .min(1)
    .max(3_650)
    .optional()
    .describe('Days after which files are deleted; default 30.'),
})
export type HubLimits = z.infer<typeof HubLimits>

const ConfigSchedule = ScheduleDefinition.extend({
  owner: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe('The user on whose behalf it runs; left out: who applies the file.'),
})

/** signalbox.yaml. Everything is declared in a map by its name. */
export const Config = z.strictObject({
  version: z.literal(1).optional().describe('Version of this format: 1.'),
  teams: z.record(Name, TeamDefinition).default({}).describe('Who belongs together.'),
  runtimes: z
    .record(Name, RuntimeDefinition)
    .default({})
    .describe('Where agents run. The built-in ones are there without being declared.'),
  agents: z.record(Name, AgentDefinition).default({}).describe('Who can be asked to work.'),
  schedules: z.record(Name, ConfigSchedule).default({}).describe('What runs by the clock.'),
  limits: HubLimits.default({}).describe('Limits of this hub, and of agents that set none.'),
})
export type Config = z.infer<typeof Config>

export type ConfigContext = {
  /** Kinds of runtimes; left out: kinds and their settings are not checked. */
  kinds?: readonly KnownKind[]
  /** What exists beside the file and may be named in it; left out: only slips of declared names are told. */
  existing?: Partial<Known>
  /** Finds secrets in plain text; left out: one that knows providers' formats only. */
  scrubber?: Scrubber
}

export type ParsedConfig = {
  /** Null when there is any problem. */
  config: Config | null
  /** Every problem at once, from the top of the file to its end. They hold no secret. */
  problems: Problem[]
  /** Where something stands in the text. */
  locate: ReadDocument['locate']
}

/** Reads signalbox.yaml without changing anything: syntax, shape, names, settings of runtimes, cron lines, secrets in plain text. */
export function parseConfig(yaml: string, context: ConfigContext = {}): ParsedConfig {
  const { kinds = null, existing = null, scrubber = createScrubber() } = context
  const document = readDocument(yaml)
  const problems = [...document.problems]
  let config: Config | null = null
  if (document.value !== null) {
    const value = withoutEmptyParts(document.value)
    const parsed = Config.safeParse(value)
    config = parsed.success ? parsed.data : null
    const said = [
      ...(parsed.success ? [] : explainIssues(Config, value, parsed.error.issues)),
      ...checkReferences(parsed.data ?? salvage(value), kinds, existing),
      ...findSecrets(document.texts(), scrubber),
      ...findUnstorable(document.texts()),
    ]
    problems.push(...said.map((one) => toProblem(one, document.locate(one.path, one.part))))
  }
  const clean = problems.map((problem) => ({
    ...problem,
    path: scrubber.scrub(problem.path).text,
    message: scrubber.scrub(problem.message).text,
    hint: scrubber.scrub(problem.hint).text,
  }))
  clean.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
  return { config: clean.length === 0 ? config : null, problems: clean, locate: document.locate }
}

function toProblem({ path, message, hint }: Said, position: Position): Problem {
  return { ...position, path: path.join('.'), message, hint }
}

const SECTIONS = ['teams', 'runtimes', 'agents', 'schedules', 'limits'] as const

/** A section of which every line is commented out is empty, and so is a team of which only the name is written. */
function withoutEmptyParts(value: unknown): unknown {
  if (!isMap(value)) return value
  const kept = Object.entries(value).filter(
    ([key, part]) => part !== null || !SECTIONS.includes(key as (typeof SECTIONS)[number]),
  )
  const result: Record<string, unknown> = Object.fromEntries(kept)
  if (isMap(result.teams))
    result.teams = Object.fromEntries(Object.entries(result.teams).map(([name, team]) => [name, team ?? {}]))
  return result
}

/** The fields that are right by themselves, and all names, so that one mistake neither hides nor causes another. */
function salvage(value: unknown): Declarations {
  const parts = isMap(value) ? value : {}
  return {
    teams: isMap(parts.teams) ? parts.teams : {},
    runtimes: rightFields(RuntimeDefinition, parts.runtimes),
    agents: rightFields(AgentDefinition, parts.agents),
    schedules: rightFields(ConfigSchedule, parts.schedules),
  }
}

function rightFields<S extends z.ZodRawShape>(
  schema: z.ZodObject<S>,
  section: unknown,
): Record<string, Partial<z.infer<z.ZodObject<S>>>> {
  const entries = Object.entries(isMap(section) ? section : {}).map(([name, entry]) => {
    const fields = Object.entries(schema.partial().shape).map(([key, field]) => [
      key,
      z.safeParse(field, isMap(entry) ? entry[key] : undefined).data,
    ])
    // Each field was parsed by its own schema.
    return [name, Object.fromEntries(fields) as Partial<z.infer<z.ZodObject<S>>>] as const
  })
  return Object.fromEntries(entries)
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
