/** What a person may mean by the first characters they typed: names and ids that they may read. */
import type { Actor, Core } from '../core/index.ts'

const AT_MOST = 100

export async function completeAgent(core: Core, actor: Actor, start: string): Promise<string[]> {
  const page = await core.agents.list(actor, { limit: AT_MOST, ...(start ? { query: start } : {}) })
  return page.data.map(({ name }) => name).filter((name) => name.startsWith(start))
}

/** Among the newest runs. */
export async function completeRun(core: Core, actor: Actor, start: string): Promise<string[]> {
  const page = await core.runs.list(actor, { limit: AT_MOST })
  return page.data.map(({ id }) => id).filter((id) => id.startsWith(start))
}

/** Among the newest sessions. */
export async function completeSession(core: Core, actor: Actor, start: string): Promise<string[]> {
  const page = await core.sessions.list(actor, { limit: AT_MOST })
  return page.data.map(({ id }) => id).filter((id) => id.startsWith(start))
}
