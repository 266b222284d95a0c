import * as z from 'zod'
import { Agent, AgentDefinition } from '../../core/index.ts'
import { changesOf } from '../changes.ts'
import { tool } from '../tool.ts'

export const agentUpdate = tool({
  name: 'agent_update',
  title: 'Change an agent',
  description: 'Replaces fields of an agent, which makes a new version. Runs and sessions that exist keep theirs.',
  input: z.strictObject({
    agent: z.string().min(1).describe('Name or id.'),
    version: z.number().int().optional().describe('The version you read; refused when the agent has changed since.'),
    changes: changesOf(AgentDefinition.shape),
  }),
  output: Agent,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  handler: async (core, actor, { agent: ref, version, changes }) => {
    const agent = await core.agents.update(actor, ref, { ...changes, ...(version === undefined ? {} : { version }) })
    return { structured: agent, text: `Agent ${agent.name} (${agent.id}) is now at version ${agent.version}.` }
  },
})
