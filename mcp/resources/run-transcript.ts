import { completeRun } from '../complete.ts'
import type { Resource } from '../resource.ts'
import { readLog, toTranscript } from '../run-markdown.ts'

export const runTranscript: Resource = {
  name: 'run-transcript',
  title: 'Transcript of a run',
  description: 'What was said and done in a run, in order. Can be subscribed to.',
  mimeType: 'text/markdown',
  uriTemplate: 'run://{id}/transcript',
  complete: completeRun,
  read: async (core, actor, id) => toTranscript(await core.runs.get(actor, id), await readLog(core, actor, id)),
}
