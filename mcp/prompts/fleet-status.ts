import type { Prompt } from '../prompt.ts'
import { toRunLine } from '../run-answer.ts'

const AT_MOST = 50

export const fleetStatus: Prompt = {
  name: 'fleet_status',
  title: 'Status of all agents',
  description: 'What every agent is at, what waits for a person, and what failed of late.',
  arguments: [],
  text: async (core, actor) => {
    const [agents, running, waiting, queued, failed, approvals] = await Promise.all([
      core.agents.list(actor, { limit: AT_MOST }),
      core.runs.list(actor, { status: 'running', limit: AT_MOST }),
      core.runs.list(actor, { status: 'awaiting_input', limit: AT_MOST }),
      core.runs.list(actor, { status: 'queued', limit: AT_MOST }),
      core.runs.list(actor, { status: 'failed', limit: 10 }),
      core.approvals.list(actor, { status: 'pending', limit: AT_MOST }),
    ])
    const state = {
      agents: agents.data.map(({ name, description, runtime, active_runs, queued_runs }) => ({
        name,
        description,
        runtime,
        active_runs,
        queued_runs,
      })),
      running: running.data.map(toRunLine),
      awaiting_input: waiting.data.map(toRunLine),
      queued: queued.data.map(toRunLine),
      last_failed: failed.data.map(toRunLine),
      approvals: approvals.data.map(({ id, run_id, agent, kind, message, expires_at }) => ({
        id,
        run_id,
        agent,
        kind,
        message,
        expires_at,
      })),
    }
    return [
      'Tell me in a few lines how my agents are: what is at work, what waits for me (first), what failed and why, and what you would do next.',
      `This is the state of the hub at ${new Date().toISOString()}; each list holds at most ${AT_MOST} entries:`,
      JSON.stringify(state, null, 1),
    ].join('\n\n')
  },
}
