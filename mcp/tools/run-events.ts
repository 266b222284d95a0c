import * as z from 'zod'
import { RunEvent } from '../../core/index.ts'
import { toEventLine } from '../event-line.ts'
import { tool } from '../tool.ts'

export const runEvents = tool({
  name: 'run_events',
  title: 'Read what a run did',
  description:
    'The log of a run, oldest first: messages, tool calls and results, waiting, outcome. Ask again with next_seq for what came since.',
  input: z.strictObject({
    run_id: z.string().min(1),
    after_seq: z.number().int().min(0).default(0),
    limit: z.number().int().min(1).max(500).default(50),
    types: z.array(z.string()).max(50).optional().describe('Only these AG-UI event types, such as TOOL_CALL_START.'),
    wait_seconds: z
      .number()
      .int()
      .min(0)
      .max(45)
      .default(0)
      .describe('When nothing is there yet, wait this long for something.'),
  }),
  output: z.object({
    run_id: z.string(),
    events: z.array(RunEvent.extend({ summary: z.string() })),
    next_seq: z.number().int().describe('after_seq of the next call.'),
    done: z.boolean().describe('True: the run is over and this is the end of its log.'),
  }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  handler: async (core, actor, { run_id, after_seq, limit, types, wait_seconds }, context) => {
    const page = await core.runs.events(actor, run_id, {
      after: after_seq,
      limit,
      ...(types ? { types } : {}),
      wait_seconds,
      signal: context.signal,
    })
    const events = page.events.map((event) => ({ ...event, summary: toEventLine(event) }))
    const lines = events.map((event) => `${event.seq} ${event.at} ${event.type} ${event.summary}`)
    const end = page.done ? 'The run is over; this is the end of its log.' : `Go on with after_seq ${page.next_after}.`
    return {
      structured: { run_id, events, next_seq: page.next_after, done: page.done },
      text: [...lines, end].join('\n'),
    }
  },
})
