import { and, eq, inArray, sql } from 'drizzle-orm'
import type { Db } from '../database.ts'
import { HubError } from '../errors.ts'
import { agents, runs, schedules, sessions, teams } from '../schema/index.ts'
import { type Agent, AgentDefinition } from '../shapes.ts'
import { bindRuntimes, type Kinds } from './bind.ts'
import { asDeclared, type Noun, type Row, toDeclared } from './declared.ts'

export function agentNoun(kinds: Kinds): Noun<AgentDefinition> {
  return {
    type: 'agent',
    prefix: 'agt',
    notFound: 'agent_not_found',
    table: asDeclared(agents),
    schema: AgentDefinition,
    async prepare(db, name, definition) {
      await bindRuntimes(db, kinds, name, definition)
      await requireTeam(db, definition.team)
      return { concurrency: definition.limits.concurrency ?? null }
    },
    async release(db, row) {
      const [schedule] = await db
        .select({ name: schedules.name })
        .from(schedules)
        .where(sql`${schedules.deletedAt} is null and ${schedules.definition}->>'agent' = ${row.name}`)
      if (schedule) throw new HubError('in_use', `Schedule ${schedule.name} runs agent ${row.name}.`)
      const [run] = await db
        .select({ id: runs.id })
        .from(runs)
        .innerJoin(sessions, eq(sessions.id, runs.sessionId))
        .where(and(eq(runs.agentId, row.id), inArray(runs.status, ['queued', 'running', 'awaiting_input'])))
        .limit(1)
      if (run)
        throw new HubError('in_use', `Agent ${row.name} is at work on ${run.id}.`, {
          hint: 'Stop its runs or wait for them.',
        })
    },
  }
}

export async function requireTeam(db: Db, team: string | undefined): Promise<void> {
  if (team === undefined) return
  const [found] = await db.select({ id: teams.id }).from(teams).where(eq(teams.name, team))
  if (!found) throw new HubError('team_not_found', `There is no team ${team}.`)
}

/** How many runs each agent has open, in one statement. */
export async function openRuns(db: Db, agentIds: string[]): Promise<Map<string, { active: number; queued: number }>> {
  if (agentIds.length === 0) return new Map()
  const found = await db
    .select({
      agentId: runs.agentId,
      active: sql<number>`count(*) filter (where ${runs.status} <> 'queued')::int`,
      queued: sql<number>`count(*) filter (where ${runs.status} = 'queued')::int`,
    })
    .from(runs)
    .where(and(inArray(runs.agentId, agentIds), inArray(runs.status, ['queued', 'running', 'awaiting_input'])))
    .groupBy(runs.agentId)
  return new Map(found.map(({ agentId, active, queued }) => [agentId, { active, queued }]))
}

export function toAgent(row: Row<AgentDefinition>, open: { active: number; queued: number } | undefined): Agent {
  return { ...toDeclared(row), ...row.definition, active_runs: open?.active ?? 0, queued_runs: open?.queued ?? 0 }
}
