import { completeRun } from '../complete.ts'
import type { Resource } from '../resource.ts'
import { toSummary } from '../run-markdown.ts'

export const runSummary: Resource = {
  name: 'run',
  title: 'Run',
  description: 'One run: status, prompt, output, usage and what it waits for. Can be subscribed to.',
  mimeType: 'text/markdown',
  uriTemplate: 'run://{id}',
  complete: completeRun,
  read: async (core, actor, id) => toSummary(await core.runs.get(actor, id)),
}
