import type { Actor, Core, Run, Session } from '../core/index.ts'

/** A session and its last runs, oldest first; `earlier` says that there are runs before these. */
export async function readSession(
  core: Core,
  actor: Actor,
  id: string,
  tail: number,
): Promise<{ session: Session; runs: Run[]; earlier: boolean }> {
  const session = await core.sessions.get(actor, id)
  const page = await core.runs.list(actor, { session_id: session.id, limit: tail })
  return { session, runs: page.data.toReversed(), earlier: page.next_cursor !== null }
}
