import { completeRun } from '../complete.ts'
import type { Resource } from '../resource.ts'
import { readLog } from '../run-markdown.ts'

export const runEventLog: Resource = {
  name: 'run-events',
  title: 'Events of a run',
  description:
    'The log of a run, one JSON event a line, oldest first (AG-UI 1.0 with seq and at). Can be subscribed to.',
  mimeType: 'application/x-ndjson',
  uriTemplate: 'run://{id}/events',
  complete: completeRun,
  read: async (core, actor, id) => {
    const { events, cutAt } = await readLog(core, actor, id)
    const lines = events.map((event) => JSON.stringify(event))
    // Said in the log's own form, so that every line still parses as an event.
    if (cutAt !== null)
      lines.push(JSON.stringify({ type: 'CUSTOM', name: 'signalbox/cut', value: { read_on_after_seq: cutAt } }))
    return lines.map((line) => `${line}\n`).join('')
  },
}
