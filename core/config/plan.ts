import type { Change, Problem } from '../core.ts'
import type { AgentDefinition, RuntimeDefinition, ScheduleDefinition } from '../shapes.ts'
import type { Config, HubLimits, TeamDefinition } from './config.ts'
import type { Path, Position } from './document.ts'

export type Existing<T = unknown> = { name: string; managedBy: 'api' | 'config' | 'hub'; definition: T }

/** What there is now. */
export type Current = {
  teams: Existing<TeamDefinition>[]
  runtimes: Existing<RuntimeDefinition>[]
  agents: Existing<AgentDefinition>[]
  schedules: Existing<ScheduleDefinition>[]
  /** Left out: not compared. */
  limits?: HubLimits
}

type Definitions = {
  team: TeamDefinition
  runtime: RuntimeDefinition
  agent: AgentDefinition
  schedule: ScheduleDefinition
  limits: HubLimits
}
type Kind = keyof Definitions

/** What to do, in an order in which every reference leads somewhere at every step. `definition` is whole; null for a delete. */
export type Operation = {
  [K in Kind]: {
    op: 'create' | 'update' | 'delete'
    kind: K
    name: string
    definition: Definitions[K] | null /** Of a schedule: the user on whose behalf it runs. */
    owner?: string
  }
}[Kind]

export type PlanOptions = {
  /** Runtimes that are there without being declared, as they are when the file says nothing of them. */
  builtIns?: Readonly<Record<string, RuntimeDefinition>>
  /** Where something stands in the file. */
  locate?: (path: Path, part: 'key' | 'value') => Position
}

export type Planned = {
  changes: Change[] /** False when nothing would change. */
  pending: boolean
  operations: Operation[]
  problems: Problem[]
}

const SECTIONS = [
  { section: 'teams', kind: 'team' },
  { section: 'runtimes', kind: 'runtime' },
  { section: 'agents', kind: 'agent' },
  { section: 'schedules', kind: 'schedule' },
] as const

/**
 * What makes `current` the same as `config`. The file owns what it created: what left the file is deleted, what was made in
 * another way under the same name is a problem, and so is a delete of what others still need. Built-in runtimes are taken over
 * when they are declared, and go back to what they were when they no longer are. Pure: nothing is changed here.
 */
export function planChanges(config: Config, current: Current, { builtIns = {}, locate }: PlanOptions = {}): Planned {
  const changes: Change[] = []
  const upserts: Operation[] = []
  const deletes: Operation[] = []
  const problems: Problem[] = []

  function problem(path: Path, message: string, hint: string): void {
    problems.push({ ...(locate?.(path, 'key') ?? { line: null, column: null }), path: path.join('.'), message, hint })
  }
  function upsert(operation: Operation, before: unknown): void {
    const fields = operation.op === 'create' ? [] : differences(before, operation.definition)
    if (operation.op === 'update' && fields.length === 0) {
      changes.push({ action: 'keep', kind: operation.kind, name: operation.name, fields })
      return
    }
    changes.push({ action: operation.op, kind: operation.kind, name: operation.name, fields })
    upserts.push(operation)
  }

  if (current.limits !== undefined && differences(current.limits, config.limits).length > 0) {
    upsert({ op: 'update', kind: 'limits', name: 'limits', definition: config.limits }, current.limits)
  }
  for (const { section, kind } of SECTIONS) {
    const before = new Map<string, Existing>(current[section].map((one) => [one.name, one]))
    for (const [name, declared] of Object.entries(config[section])) {
      const existing = before.get(name)
      const { owner, ...definition } = { owner: undefined, ...declared }
      if (existing?.managedBy === 'api') {
        problem(
          [section, name],
          `The ${kind} "${name}" exists already and was not made by this file.`,
          `Choose another name, or delete that ${kind} first.`,
        )
      } else if (existing && kind === 'runtime' && kindOf(existing.definition) !== kindOf(definition)) {
        problem(
          [section, name],
          `The runtime "${name}" is of kind ${kindOf(existing.definition)}, which cannot become ${kindOf(definition)}.`,
          'Declare the new one under another name.',
        )
      } else {
        // `definition` is of this section's schema: only `owner`, which is no part of a schedule's definition, was taken out.
        upsert(
          {
            op: existing ? 'update' : 'create',
            kind,
            name,
            definition,
            ...(owner === undefined ? {} : { owner }),
          } as Operation,
          existing?.definition,
        )
      }
    }
    for (const existing of current[section]) {
      if (existing.managedBy !== 'config' || Object.hasOwn(config[section], existing.name)) continue
      const builtIn = kind === 'runtime' ? builtIns[existing.name] : undefined
      if (builtIn)
        upsert({ op: 'update', kind: 'runtime', name: existing.name, definition: builtIn }, existing.definition)
      else deletes.unshift({ op: 'delete', kind, name: existing.name, definition: null })
    }
  }
  for (const { kind, name } of deletes) {
    changes.push({ action: 'delete', kind, name, fields: [] })
    for (const user of usersOf(kind, name, config, current)) {
      const path = user.declared ? [user.section, user.name] : []
      const hint = user.declared
        ? `Declare the ${kind} again, or let it use another one.`
        : `Declare the ${kind} again, or change ${user.name} first.`
      problem(
        path,
        `The ${kind} "${name}" left the file, and ${user.section.slice(0, -1)} "${user.name}" still needs it.`,
        hint,
      )
    }
  }
  const operations = [...upserts, ...deletes]
  return { changes, pending: operations.length > 0, operations, problems }
}

const kindOf = (definition: unknown) => (definition as RuntimeDefinition).kind

/** Who would be left with a name that leads nowhere: in the file, or made in another way. */
function usersOf(
  kind: Kind,
  name: string,
  config: Config,
  current: Current,
): { section: 'runtimes' | 'agents' | 'schedules'; name: string; declared: boolean }[] {
  return (['runtimes', 'agents', 'schedules'] as const).flatMap((section) => {
    const declared = Object.entries<object>(config[section]).map(([user, definition]) => ({
      name: user,
      definition,
      declared: true,
    }))
    const others = current[section].filter(
      ({ managedBy, name: user }) => managedBy !== 'config' && !Object.hasOwn(config[section], user),
    )
    return [...declared, ...others.map((other) => ({ ...other, declared: false }))]
      .filter(({ definition }) => names(definition, kind).includes(name))
      .map((user) => ({ section, name: user.name, declared: user.declared }))
  })
}

/** The names of this kind that a definition needs. Of a selector's list one is enough, so none of it is needed. */
function names(definition: object, kind: Kind): unknown[] {
  const { team, runtime, agent } = definition as { team?: string; runtime?: AgentDefinition['runtime']; agent?: string }
  switch (kind) {
    case 'team':
      return [team]
    case 'runtime':
      return typeof runtime === 'object' && runtime.any?.length === 1 ? runtime.any : [runtime]
    case 'agent':
      return [agent]
    case 'schedule':
    case 'limits':
      return []
  }
}

/** Fields that differ, one level into maps: `limits.seconds`. */
function differences(before: unknown, after: unknown, depth = 0): string[] {
  if (!isMap(before) || !isMap(after)) return []
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return keys.flatMap((key) => {
    const [one, other] = [before[key], after[key]]
    if (canonical(one) === canonical(other)) return []
    if (depth === 0 && (isMap(one) || one === undefined) && (isMap(other) || other === undefined)) {
      return differences(one ?? {}, other ?? {}, 1).map((inner) => `${key}.${inner}`)
    }
    return [key]
  })
}

/** Equal for what means the same: the order of keys does not count, and an absent key is one that is undefined. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (!isMap(value)) return JSON.stringify(value) ?? ''
  const entries = Object.keys(value)
    .sort()
    .filter((key) => value[key] !== undefined)
  return `{${entries.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join()}}`
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
