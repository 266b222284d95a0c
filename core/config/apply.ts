import { and, eq, isNull } from 'drizzle-orm'
import type { Actor } from '../access/actor.ts'
import { authorize } from '../access/policy.ts'
import { ensureUser } from '../access/tokens.ts'
import type { Plan, Problem } from '../core.ts'
import { type Db, notify } from '../database.ts'
import { HubError } from '../errors.ts'
import { newId } from '../id.ts'
import { agents, runtimes, schedules, settings, teamMembers, teams, users } from '../schema/index.ts'
import type { Scrubber } from '../secrets/scrubber.ts'
import type { AgentDefinition, RuntimeDefinition, ScheduleDefinition } from '../shapes.ts'
import { agentNoun } from '../work/agents.ts'
import type { Kinds } from '../work/bind.ts'
import { createDeclared, type Noun, removeDeclared, replaceDeclared } from '../work/declared.ts'
import type { FileLimits } from '../work/files.ts'
import { CHANNEL } from '../work/log.ts'
import type { Registered } from '../work/pool.ts'
import { runtimeNoun } from '../work/runtimes.ts'
import { scheduleNoun } from '../work/schedules.ts'
import { type Config, parseConfig } from './config.ts'
import { type Current, type Operation, planChanges } from './plan.ts'

const FILE_LIMITS: FileLimits = { maxBytes: 32 * 1024 * 1024, retentionDays: 30 }

/** The configuration of this hub: read from a text, compared with what is, applied in one transaction. */
export function createConfig({ db, kinds, scrubber }: { db: Db; kinds: Kinds; scrubber: Scrubber }) {
  let limits: Config['limits'] = {}

  async function read(yaml: string): Promise<{ config: Config; planned: ReturnType<typeof planChanges> }> {
    const { config, problems, planned } = await examine(yaml)
    if (config && planned && problems.length === 0) return { config, planned }
    const first = problems[0]
    throw new HubError(
      'invalid_config',
      `The configuration has ${problems.length} problem${problems.length === 1 ? '' : 's'}${first ? `: line ${first.line ?? '?'}: ${first.message}` : ''}`,
      { details: problems },
    )
  }

  async function examine(yaml: string) {
    const current = await currentState(db)
    const parsed = parseConfig(yaml, {
      kinds: [...kinds.values()],
      scrubber,
      existing: {
        teams: current.teams.map(({ name }) => name),
        runtimes: current.runtimes.map(({ name }) => name),
        agents: current.agents.map(({ name }) => name),
      },
    })
    if (!parsed.config) return { ...parsed, planned: null }
    const planned = planChanges(parsed.config, current)
    return { config: parsed.config, problems: [...parsed.problems, ...planned.problems], planned }
  }

  return {
    async load(): Promise<void> {
      const [row] = await db.select().from(settings).where(eq(settings.key, 'limits'))
      // Written by `apply` from a parsed configuration.
      limits = (row?.value as Config['limits'] | undefined) ?? {}
    },
    fileLimits: (): FileLimits => ({
      maxBytes: limits.file_bytes ?? FILE_LIMITS.maxBytes,
      retentionDays: limits.file_retention_days ?? FILE_LIMITS.retentionDays,
    }),
    limits: () => limits,
    async isEmpty(): Promise<boolean> {
      return (await db.select({ id: agents.id }).from(agents).limit(1)).length === 0
    },
    async runtimeById(id: string): Promise<Registered> {
      const [row] = await db
        .select()
        .from(runtimes)
        .where(and(eq(runtimes.id, id), isNull(runtimes.deletedAt)))
      if (!row) throw new HubError('runtime_not_found', `There is no runtime ${id}.`)
      return row
    },
    async validate(actor: Actor, yaml: string): Promise<Problem[]> {
      authorize(actor, 'observe', { type: 'hub', id: 'config' })
      const { problems, config, planned } = await examine(yaml)
      if (!config || !planned || problems.length > 0) return problems
      // What only the database can tell (a runtime that cannot do what an agent asks for) is found by doing it and undoing it.
      return await rehearse(db, (tx) => perform(tx, kinds, actor, planned.operations, config.limits))
    },
    async plan(actor: Actor, yaml: string): Promise<Plan> {
      authorize(actor, 'observe', { type: 'hub', id: 'config' })
      const { config, planned } = await read(yaml)
      const problems = await rehearse(db, (tx) => perform(tx, kinds, actor, planned.operations, config.limits))
      if (problems[0]) throw new HubError('invalid_config', problems[0].message, { details: problems })
      return { changes: planned.changes, pending: planned.pending }
    },
    async apply(actor: Actor, yaml: string): Promise<Plan> {
      authorize(actor, 'edit', { type: 'hub', id: 'config' })
      const { config, planned } = await read(yaml)
      await db.transaction(async (tx) => {
        await perform(tx, kinds, actor, planned.operations, config.limits)
        await notify(tx, CHANNEL, 'config:changed')
      })
      limits = config.limits
      return { changes: planned.changes, pending: planned.pending }
    },
  }
}

class Rehearsed extends Error {}

async function rehearse(db: Db, act: (tx: Db) => Promise<void>): Promise<Problem[]> {
  try {
    await db.transaction(async (tx) => {
      await act(tx)
      throw new Rehearsed()
    })
    return []
  } catch (error) {
    if (error instanceof Rehearsed) return []
    if (error instanceof HubError)
      return [{ line: null, column: null, path: '', message: error.message, hint: error.hint }]
    throw error
  }
}

async function currentState(db: Db): Promise<Current> {
  const alive = {
    agents: isNull(agents.deletedAt),
    runtimes: isNull(runtimes.deletedAt),
    schedules: isNull(schedules.deletedAt),
  }
  const members = await db
    .select({ teamId: teamMembers.teamId, name: users.name })
    .from(teamMembers)
    .innerJoin(users, eq(users.id, teamMembers.userId))
    .orderBy(users.name)
  return {
    teams: (await db.select().from(teams)).map(({ id, name, description, managedBy }) => ({
      name,
      managedBy,
      definition: {
        ...(description === null ? {} : { description }),
        members: members.filter(({ teamId }) => teamId === id).map((member) => member.name),
      },
    })),
    runtimes: await db.select().from(runtimes).where(alive.runtimes),
    agents: await db.select().from(agents).where(alive.agents),
    schedules: await db.select().from(schedules).where(alive.schedules),
  }
}

async function perform(
  tx: Db,
  kinds: Kinds,
  actor: Actor,
  operations: Operation[],
  limits: Config['limits'],
): Promise<void> {
  for (const operation of operations) {
    switch (operation.kind) {
      case 'team':
        await performTeam(tx, operation)
        break
      case 'runtime':
        await performDeclared<RuntimeDefinition>(tx, runtimeNoun(kinds), actor, operation)
        break
      case 'agent':
        await performDeclared<AgentDefinition>(tx, agentNoun(kinds), actor, operation)
        break
      case 'schedule':
        await performDeclared<ScheduleDefinition>(tx, scheduleNoun, actor, operation)
        break
    }
  }
  await tx
    .insert(settings)
    .values({ key: 'limits', value: limits })
    .onConflictDoUpdate({ target: settings.key, set: { value: limits } })
}

async function performTeam(tx: Db, { op, name, definition }: Operation): Promise<void> {
  if (op === 'delete') {
    await tx.delete(teams).where(eq(teams.name, name))
    return
  }
  const { description, members = [] } = (definition ?? {}) as Config['teams'][string]
  const set = { description: description ?? null, managedBy: 'config' as const }
  const [team] = await tx
    .insert(teams)
    .values({ id: newId('tem'), name, ...set })
    .onConflictDoUpdate({ target: teams.name, set })
    .returning()
  await tx.delete(teamMembers).where(eq(teamMembers.teamId, team!.id))
  for (const member of members) {
    // A member named before they first came: the user is there from now on, without rights of their own.
    const user = await ensureUser(tx, { name: member, admin: false })
    await tx.insert(teamMembers).values({ teamId: team!.id, userId: user.id }).onConflictDoNothing()
  }
}

async function performDeclared<D extends AgentDefinition | RuntimeDefinition | ScheduleDefinition>(
  tx: Db,
  noun: Noun<D>,
  actor: Actor,
  { op, name, definition }: Operation,
): Promise<void> {
  switch (op) {
    case 'create':
      await createDeclared(tx, noun, actor, { ...definition, name }, 'config')
      break
    case 'update':
      await replaceDeclared(tx, noun, actor, name, { ...definition }, 'config')
      break
    case 'delete':
      await removeDeclared(tx, noun, actor, name, 'config')
  }
}
