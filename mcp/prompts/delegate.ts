import { completeAgent } from '../complete.ts'
import type { Prompt } from '../prompt.ts'

export const delegate: Prompt = {
  name: 'delegate',
  title: 'Delegate a task',
  description: 'Has an agent do a task and reports what came of it.',
  arguments: [
    { name: 'agent', description: 'Name of the agent.', complete: completeAgent },
    { name: 'task', description: 'What is to be done.' },
  ],
  text: (_core, _actor, { agent, task }) =>
    [
      `Have the Signalbox agent "${agent}" do the task below, and report to me.`,
      `1. Call agent_run with agent "${agent}" and a prompt that says the task in full: the agent does not see this conversation.`,
      '2. While the answer has `next`, make that call. Ask me before you decide an approval.',
      '3. Tell me the outcome, what it cost, and the run id.',
      `The task:\n\n${task}`,
    ].join('\n\n'),
}
