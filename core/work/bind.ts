import { and, eq, inArray, isNull } from 'drizzle-orm'
import type { Db } from '../database.ts'
import { HubError } from '../errors.ts'
import type { RuntimeKind } from '../ports.ts'
import { runtimes } from '../schema/index.ts'
import type { AgentDefinition, Capabilities } from '../shapes.ts'

export type Kinds = ReadonlyMap<string, RuntimeKind>
export type RuntimeRow = typeof runtimes.$inferSelect

/** Capabilities of a registered runtime; throws when its kind or settings are not (or no longer) valid here. */
export function capabilitiesOf(kinds: Kinds, runtime: RuntimeRow): Capabilities {
  const kind = kinds.get(runtime.definition.kind)
  if (!kind)
    throw new HubError(
      'runtime_unavailable',
      `This hub has no runtime kind ${runtime.definition.kind} (runtime ${runtime.name}).`,
    )
  return kind.capabilities(kind.settings.parse(runtime.definition.settings))
}

/**
 * The runtimes that an agent may run on, best first: those of its selector that exist and can do all that it asks for.
 * Throws runtime_not_found when none exists and runtime_cannot, naming each field, when none can.
 */
export async function bindRuntimes(
  db: Db,
  kinds: Kinds,
  agent: string,
  definition: AgentDefinition,
): Promise<RuntimeRow[]> {
  const found = await selectRuntimes(db, definition.runtime)
  if (found.length === 0) {
    throw new HubError(
      'runtime_not_found',
      `Agent ${agent} asks for runtime ${JSON.stringify(definition.runtime)}, and there is none.`,
    )
  }
  const judged = found.map((runtime) => ({ runtime, lacks: missing(definition, capabilitiesOf(kinds, runtime)) }))
  const able = judged.filter(({ lacks }) => lacks.length === 0)
  if (able.length > 0) return able.map(({ runtime }) => runtime)
  const reasons = judged.map(({ runtime, lacks }) => `runtime ${runtime.name} cannot honour ${lacks.join(', ')}`)
  throw new HubError('runtime_cannot', `Agent ${agent}: ${reasons.join('; ')}.`, {
    details: judged.map(({ runtime, lacks }) => ({ runtime: runtime.name, fields: lacks })),
  })
}

async function selectRuntimes(db: Db, selector: AgentDefinition['runtime']): Promise<RuntimeRow[]> {
  const alive = isNull(runtimes.deletedAt)
  if (typeof selector === 'string')
    return db
      .select()
      .from(runtimes)
      .where(and(alive, eq(runtimes.name, selector)))
  const { any, kind, labels } = selector
  const found = await db
    .select()
    .from(runtimes)
    .where(and(alive, any ? inArray(runtimes.name, any) : undefined))
  const fits = found.filter(
    ({ definition }) =>
      (kind === undefined || definition.kind === kind) &&
      Object.entries(labels ?? {}).every(([key, value]) => definition.labels[key] === value),
  )
  return any
    ? fits.sort((a, b) => any.indexOf(a.name) - any.indexOf(b.name))
    : fits.sort((a, b) => a.name.localeCompare(b.name))
}

/** What the definition asks for and these capabilities do not have. A field is never dropped in silence. */
function missing(definition: AgentDefinition, { config }: Capabilities): string[] {
  const lacks: string[] = []
  if (definition.instructions !== '' && config.instructions === 'none') lacks.push('instructions')
  if (definition.model !== undefined && !config.model) lacks.push('model')
  if (Object.keys(definition.env).length > 0 && !config.env) lacks.push('env')
  for (const [name, value] of Object.entries(definition.env)) {
    // A value handed to an agent's environment can be read by the agent; until an egress proxy puts it in, it stays out.
    if (typeof value !== 'string') lacks.push(`env.${name} (a secret would be readable by the agent)`)
  }
  if (definition.skills.length > 0 && !config.skills) lacks.push('skills')
  if (definition.mcp_servers.length > 0 && !config.mcp_servers) lacks.push('mcp_servers')
  if (Object.keys(definition.permissions).length > 0 && !config.permissions) lacks.push('permissions')
  return lacks
}
