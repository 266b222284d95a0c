import type { Resource as WireResource } from '@modelcontextprotocol/server'
import type { Actor, Core } from '../../core/index.ts'
import { shorten } from '../run-answer.ts'

const RECENT = 20

/** Resources to pick from: every agent, and before them, on the first page, the newest runs and sessions. */
export async function listResources(
  core: Core,
  actor: Actor,
  cursor: string | undefined,
): Promise<{ resources: WireResource[]; nextCursor?: string }> {
  const [agents, runs, sessions] = await Promise.all([
    core.agents.list(actor, { limit: 100, ...(cursor ? { cursor } : {}) }),
    cursor ? undefined : core.runs.list(actor, { limit: RECENT }),
    cursor ? undefined : core.sessions.list(actor, { limit: RECENT }),
  ])
  const resources: WireResource[] = [
    ...(runs?.data ?? []).map((run) => ({
      uri: `run://${run.id}`,
      name: run.id,
      title: `Run of ${run.agent}: ${shorten(run.prompt.replaceAll(/\s+/g, ' '), 80)}`,
      description: `${run.status}, ${run.created_at}`,
      mimeType: 'text/markdown',
    })),
    ...(sessions?.data ?? []).map((session) => ({
      uri: `session://${session.id}`,
      name: session.id,
      title: `Session with ${session.agent}: ${session.title ?? 'no title'}`,
      description: `${session.status}, ${session.updated_at}`,
      mimeType: 'text/markdown',
    })),
    ...agents.data.map((agent) => ({
      uri: `agent://${agent.name}`,
      name: agent.name,
      title: `Agent ${agent.name}`,
      description:
        agent.description ??
        `Agent on ${String(typeof agent.runtime === 'string' ? agent.runtime : 'a chosen runtime')}`,
      mimeType: 'application/json',
    })),
  ]
  return { resources, ...(agents.next_cursor === null ? {} : { nextCursor: agents.next_cursor }) }
}
