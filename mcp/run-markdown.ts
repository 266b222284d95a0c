/** A run and its log as Markdown, for people and models. */
import type { Actor, Core, Run, RunEvent } from '../core/index.ts'

const PAGE = 500
/** Past this the reading of a log stops and says so: a resource goes over the wire in one message. */
const MAX_LOG_BYTES = 2 * 1024 * 1024

/** The log of a run from its start, until its end or `MAX_LOG_BYTES`; `cutAt` is the last seq read when there is more. */
export async function readLog(
  core: Core,
  actor: Actor,
  id: string,
): Promise<{ events: RunEvent[]; cutAt: number | null }> {
  const events: RunEvent[] = []
  let bytes = 0
  for (let after = 0; ; ) {
    const page = await core.runs.events(actor, id, { after, limit: PAGE })
    for (const event of page.events) {
      bytes += JSON.stringify(event).length
      if (bytes > MAX_LOG_BYTES) return { events, cutAt: events.at(-1)?.seq ?? 0 }
      events.push(event)
    }
    if (page.done || page.events.length === 0) return { events, cutAt: null }
    after = page.next_after
  }
}

export function toSummary(run: Run): string {
  const { usage } = run
  const facts = [
    `- status: ${run.status}`,
    `- agent: ${run.agent} (version ${run.agent_version}) on ${run.runtime}`,
    `- session: ${run.session_id}`,
    `- asked by: ${run.created_by}, ${run.created_at}`,
    `- started: ${run.started_at ?? 'not yet'}`,
    `- finished: ${run.finished_at ?? 'not yet'}`,
    `- usage: ${usage.input_tokens} tokens in, ${usage.output_tokens} out, ${usage.model_calls} model calls, ${usage.cost_micro_usd} micro-dollars (${usage.cost_kind})`,
    `- events: ${run.last_seq}`,
  ]
  const parts = [`# Run ${run.id}`, facts.join('\n'), `## Prompt\n\n${run.prompt}`]
  if (run.output !== null) parts.push(`## Output\n\n${run.output}`)
  if (run.error) parts.push(`## Error\n\n${run.error.code}: ${run.error.message}\n\n${run.error.hint}`)
  if (run.pending.length > 0) {
    parts.push(
      `## Waits for\n\n${run.pending.map((approval) => `- ${approval.id} (${approval.kind}): ${approval.message}`).join('\n')}`,
    )
  }
  return `${parts.join('\n\n')}\n`
}

/** What was said and done, in order; the deltas of one message are one paragraph. */
export function toTranscript(run: Run, { events, cutAt }: { events: RunEvent[]; cutAt: number | null }): string {
  const parts = [`# Transcript of run ${run.id}`, `**${run.created_by}**\n\n${run.prompt}`]
  const calls = new Map<string, string>()
  let text = ''
  const endText = () => {
    if (text.trim()) parts.push(`**${run.agent}**\n\n${text.trim()}`)
    text = ''
  }
  for (const event of events) {
    if (event.type === 'TEXT_MESSAGE_CONTENT') {
      text += field(event, 'delta')
      continue
    }
    if (event.type === 'TOOL_CALL_START') calls.set(field(event, 'toolCallId'), field(event, 'toolCallName'))
    const part = toPart(event, calls)
    if (event.type === 'TEXT_MESSAGE_END' || part) endText()
    if (part) parts.push(part)
  }
  endText()
  if (cutAt !== null) parts.push(`[cut here: the log is longer; run_events with after_seq ${cutAt} reads on]`)
  return `${parts.join('\n\n')}\n`
}

function toPart(event: RunEvent, calls: Map<string, string>): string | undefined {
  const name = calls.get(field(event, 'toolCallId')) ?? 'tool'
  switch (event.type) {
    case 'TOOL_CALL_ARGS':
      return `*${name}*\n\n${fenced(field(event, 'delta'))}`
    case 'TOOL_CALL_RESULT':
      return `*${name}, result*\n\n${fenced(field(event, 'content'))}`
    case 'RUN_ERROR':
      return `**The run failed.** ${field(event, 'message')}`
    default:
      return undefined
  }
}

function field(event: RunEvent, key: string): string {
  const value = event[key]
  return typeof value === 'string' ? value : ''
}

/** A fence longer than any in the text, so that the text cannot end it. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}\n${text}\n${fence}`
}
