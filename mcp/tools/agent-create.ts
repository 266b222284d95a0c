import * as z from 'zod'
import { Agent, AgentDefinition, Name } from '../../core/index.ts'
import { tool } from '../tool.ts'

export const agentCreate = tool({
  name: 'agent_create',
  title: 'Create an agent',
  description:
    'Registers a new agent: its instructions, model, runtime and limits. It can be given work at once with agent_run.',
  input: z.strictObject({ name: Name, ...AgentDefinition.shape }),
  output: Agent,
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  handler: async (core, actor, input) => {
    const agent = await core.agents.create(actor, input)
    return {
      structured: agent,
      text: `Agent ${agent.name} (${agent.id}) is there, version ${agent.version}. Give it work with agent_run.`,
    }
  },
})
