import { completeAgent } from '../complete.ts'
import type { Prompt } from '../prompt.ts'

export const compareAgents: Prompt = {
  name: 'compare_agents',
  title: 'Compare agents on a task',
  description: 'Gives several agents the same task and compares what they make of it.',
  arguments: [
    { name: 'task', description: 'What is to be done.' },
    { name: 'agents', description: 'Names of the agents, separated by commas.', complete: completeLast },
  ],
  text: (_core, _actor, { task, agents = '' }) =>
    [
      `Give each of these Signalbox agents the task below, and compare their answers: ${agents}.`,
      '1. Call agent_run for each with the same prompt, which says the task in full, and wait_seconds 0, so that they work at once.',
      '2. Call run_get with wait_seconds 25 for each run until it is over. Ask me before you decide an approval.',
      '3. Compare: how right, how complete, how long, what it cost. Say which answer you would take and why, with the run ids.',
      `The task:\n\n${task}`,
    ].join('\n\n'),
}

/** Completes the name after the last comma. */
async function completeLast(...[core, actor, start]: Parameters<typeof completeAgent>): Promise<string[]> {
  const before = start.slice(0, start.lastIndexOf(',') + 1)
  const names = await completeAgent(core, actor, start.slice(before.length).trim())
  return names.map((name) => `${before}${name}`)
}
