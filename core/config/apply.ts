import { and, eq, isNull, sql } from 'drizzle-orm'
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
import { canonical, createDeclared, type Noun, removeDeclared, replaceDeclared } from '../work/declared.ts'
import type { FileLimits } from '../work/files.ts'
import { CHANNEL } from '../work/log.ts'
import type { Registered } from '../work/pool.ts'
import { builtInRuntimes, runtimeNoun } from '../work/runtimes.ts'
import { scheduleNoun } from '../work/schedules.ts'
import { HubLimits, parseConfig } from './config.ts'
import { type Current, type Operation, type Planned, planChanges } from './plan.ts'

const FILE_LIMITS: FileLimits = { maxBytes: 32 * 1024 * 1024, retentionDays: 30 }

/** The configuration of this hub: read from a text, compared with what is, applied in one transaction. */
export function createConfig({ db, kinds, scrubber }: { db: Db; kinds: Kinds; scrubber: Scrubber }) {
  const builtIns = builtInRuntimes(kinds)
  let limits: HubLimits = {}

  async function examine(db: Db, yaml: string) {
    const current = await currentState(db)
    const { config, problems, locate } = parseConfig(yaml, {
      kinds: [...kinds.values()],
      scrubber,
      existing: {
        // What the file created itself counts as there only while it is declared.
        teams: current.teams.filter(byOthers).map(({ name }) => name),
        runtimes: [...current.runtimes.filter(byOthers).map(({ name }) => name), ...Object.keys(builtIns)],
        agents: current.agents.filter(byOthers).map(({ name }) => name),
      },
    })
    if (!config) return { problems, planned: null, locate }
    const planned = planChanges(config, current, { builtIns, locate })
    return { problems: planned.problems, planned, locate }
  }

  /** The plan, or every problem of the text, those that only doing it shows included: it is done and undone. */
  async function rehearse(
    db: Db,
    actor: Actor,
    yaml: string,
  ): Promise<{ planned: Planned | null; problems: Problem[] }> {
    const { problems, planned, locate } = await examine(db, yaml)
    if (!planned || problems.length > 0) return { planned, problems }
    const found: Problem[] = []
    await db
      .transaction(async (tx) => {
        for (const operation of planned.operations) {
          try {
            await tx.transaction((inner) => perform(inner, kinds, actor, operation))
          } catch (error) {
            if (!(error instanceof HubError)) throw error
            const path = [`${operation.kind}s`, operation.name]
            found.push({ ...locate(path, 'key'), path: path.join('.'), message: error.message, hint: error.hint })
          }
        }
        throw new Rehearsed()
      })
      .catch((error: unknown) => {
        if (!(error instanceof Rehearsed)) throw error
      })
    return { planned, problems: found }
  }

  async function planOf(db: Db, actor: Actor, yaml: string): Promise<Planned> {
    const { planned, problems } = await rehearse(db, actor, yaml)
    if (planned && problems.length === 0) return planned
    throw invalid(problems)
  }

  return {
    async load(): Promise<void> {
      limits = await storedLimits(db)
    },
    limits: (): HubLimits => limits,
    fileLimits: (): FileLimits => ({
      maxBytes: limits.file_bytes ?? FILE_LIMITS.maxBytes,
      retentionDays: limits.file_retention_days ?? FILE_LIMITS.retentionDays,
    }),
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
      return (await rehearse(db, actor, yaml)).problems
    },
    async plan(actor: Actor, yaml: string): Promise<Plan> {
      authorize(actor, 'observe', { type: 'hub', id: 'config' })
      const { changes, pending } = await planOf(db, actor, yaml)
      return { changes, pending }
    },
    async apply(actor: Actor, yaml: string): Promise<Plan> {
      authorize(actor, 'edit', { type: 'hub', id: 'config' })
      const { changes, pending } = await db.transaction(async (tx) => {
        // One after the other: replicas that start together apply the same file at once.
        await tx.execute(sql`select pg_advisory_xact_lock(hashtext('signalbox:apply'))`)
        const { operations, ...plan } = await planOf(tx, actor, yaml)
        for (const operation of operations) await perform(tx, kinds, actor, operation)
        await notify(tx, CHANNEL, 'config:changed')
        return plan
      })
      limits = await storedLimits(db)
      return { changes, pending }
    },
  }
}

const byOthers = ({ managedBy }: { managedBy: string }): boolean => managedBy !== 'config'

function invalid(problems: Problem[]): HubError {
  const [first] = problems
  const where = first?.line ? `line ${first.line}: ` : ''
  const count = `${problems.length} problem${problems.length === 1 ? '' : 's'}`
  return new HubError('invalid_config', `The configuration has ${count}: ${where}${first?.message ?? ''}`, {
    details: problems,
  })
}

async function storedLimits(db: Db): Promise<HubLimits> {
  const [row] = await db.select().from(settings).where(eq(settings.key, 'limits'))
  return HubLimits.parse(row?.value ?? {})
}

class Rehearsed extends Error {}

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
    limits: await storedLimits(db),
  }
}

async function perform(tx: Db, kinds: Kinds, actor: Actor, operation: Operation): Promise<void> {
  switch (operation.kind) {
    case 'team':
      return await performTeam(tx, operation)
    case 'runtime': {
      // Back to what every hub has: nobody's any more.
      const restored = canonical(operation.definition) === canonical(builtInRuntimes(kinds)[operation.name])
      return await performDeclared(tx, runtimeNoun(kinds), actor, operation, restored ? 'hub' : 'config')
    }
    case 'agent':
      return await performDeclared(tx, agentNoun(kinds), actor, operation)
    case 'schedule':
      return await performDeclared(tx, scheduleNoun, await ownerOf(tx, actor, operation.owner), operation)
    case 'limits': {
      const value = operation.definition ?? {}
      await tx
        .insert(settings)
        .values({ key: 'limits', value })
        .onConflictDoUpdate({ target: settings.key, set: { value } })
    }
  }
}

/** A schedule acts on behalf of its owner; naming another one than oneself is for administrators. */
async function ownerOf(tx: Db, actor: Actor, name: string | undefined): Promise<Actor> {
  if (name === undefined || name === actor.name) return actor
  const [owner] = await tx.select().from(users).where(eq(users.name, name))
  if (!owner) throw new HubError('user_not_found', `There is no user ${name} to own a schedule.`)
  authorize(actor, 'administer', { type: 'schedule', id: name })
  return { ...actor, userId: owner.id, name: owner.name, onBehalfOf: actor.userId }
}

async function performTeam(tx: Db, { op, name, definition }: Extract<Operation, { kind: 'team' }>): Promise<void> {
  if (op === 'delete' || definition === null) {
    await tx.delete(teams).where(eq(teams.name, name))
    return
  }
  const set = { description: definition.description ?? null, managedBy: 'config' as const }
  const [team] = await tx
    .insert(teams)
    .values({ id: newId('tem'), name, ...set })
    .onConflictDoUpdate({ target: teams.name, set })
    .returning()
  await tx.delete(teamMembers).where(eq(teamMembers.teamId, team!.id))
  for (const member of definition.members) {
    // A member named before they first came: the user is there from now on, without rights of their own.
    const user = await ensureUser(tx, { name: member, admin: false })
    await tx.insert(teamMembers).values({ teamId: team!.id, userId: user.id }).onConflictDoNothing()
  }
}

async function performDeclared<D extends AgentDefinition | RuntimeDefinition | ScheduleDefinition>(
  tx: Db,
  noun: Noun<D>,
  actor: Actor,
  { op, name, definition }: { op: Operation['op']; name: string; definition: D | null },
  managedBy: 'config' | 'hub' = 'config',
): Promise<void> {
  if (op === 'delete' || definition === null) await removeDeclared(tx, noun, actor, name, 'config')
  else if (op === 'create') await createDeclared(tx, noun, actor, { ...definition, name }, 'config')
  else await replaceDeclared(tx, noun, actor, name, { ...definition }, managedBy)
}
