import * as z from 'zod'
import { Agent } from '../../core/index.ts'
import { tool } from '../tool.ts'

const Line = Agent.pick({
  id: true,
  name: true,
  runtime: true,
  model: true,
  skills: true,
  labels: true,
  active_runs: true,
  queued_runs: true,
}).extend({
  description: z.string(),
})

export const agentsList = tool({
  name: 'agents_list',
  title: 'List agents',
  description: 'Agents that can be given work, sorted by name. Use the name with agent_run.',
  input: z.strictObject({
    query: z.string().max(200).optional().describe('Part of a name or description.'),
    runtime: z.string().max(63).optional().describe('Only agents bound to this runtime.'),
    limit: z.number().int().min(1).max(100).default(20),
    cursor: z.string().max(200).optional().describe('next_cursor of the last page.'),
  }),
  output: z.object({ agents: z.array(Line), next_cursor: z.string().nullable() }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  handler: async (core, actor, input) => {
    const page = await core.agents.list(actor, input)
    const agents = page.data.map((agent) => ({
      id: agent.id,
      name: agent.name,
      description: agent.description ?? '',
      runtime: agent.runtime,
      ...(agent.model === undefined ? {} : { model: agent.model }),
      skills: agent.skills,
      labels: agent.labels,
      active_runs: agent.active_runs,
      queued_runs: agent.queued_runs,
    }))
    const lines = agents.map(
      (agent) => `- ${agent.name}: ${agent.description || 'no description'} (${agent.active_runs} at work)`,
    )
    const more = page.next_cursor ? [`More: agents_list with cursor ${page.next_cursor}`] : []
    return {
      structured: { agents, next_cursor: page.next_cursor },
      text: lines.length > 0 ? [...lines, ...more].join('\n') : 'No agent matches. agent_create makes one.',
    }
  },
})
