import { completeAgent } from '../complete.ts'
import type { Resource } from '../resource.ts'

/** An agent as a card in the manner of A2A 1.0, without an interface URL: it is called with agent_run. */
export const agentCard: Resource = {
  name: 'agent',
  title: 'Agent card',
  description: 'Who an agent is and what it can do, as a card in the manner of A2A. The id is its name or id.',
  mimeType: 'application/json',
  uriTemplate: 'agent://{id}',
  complete: completeAgent,
  read: async (core, actor, id) => {
    const agent = await core.agents.get(actor, id)
    const card = {
      name: agent.name,
      description: agent.description ?? '',
      version: String(agent.version),
      capabilities: { streaming: true, pushNotifications: false },
      defaultInputModes: ['text/plain'],
      defaultOutputModes: ['text/plain'],
      skills: agent.skills.map((skill) => ({ id: skill, name: skill, description: skill, tags: [] })),
      id: agent.id,
      runtime: agent.runtime,
      model: agent.model ?? null,
      labels: agent.labels,
      limits: agent.limits,
      active_runs: agent.active_runs,
      queued_runs: agent.queued_runs,
    }
    return JSON.stringify(card, null, 2)
  },
}
