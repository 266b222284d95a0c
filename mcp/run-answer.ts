/** How a run is told to an MCP client: its fields, what to call next, and the same in words. */
import * as z from 'zod'
import { isTerminal, type Run, Run as RunShape } from '../core/index.ts'
import type { Answer, Link } from './tool.ts'

/** Text past this is cut in tool results, since they go into a model's context; the run's resources hold all of it. */
export const MAX_TEXT_CHARACTERS = 40_000

const Next = z
  .object({
    tool: z.string(),
    args: z.record(z.string(), z.unknown()),
    after_seconds: z.number().int().describe('Wait this long before the call; 0: call at once.'),
  })
  .describe('The call that takes this further.')

/** A run without its prompt, which the caller wrote, plus advice. */
export const RunAnswer = RunShape.omit({ prompt: true }).extend({
  output_cut: z.boolean().describe('True: output is only the beginning; read the resource run://{id}/transcript.'),
  next: Next.optional(),
})
export type RunAnswer = z.infer<typeof RunAnswer>

export const RunLine = RunShape.pick({
  id: true,
  session_id: true,
  agent: true,
  status: true,
  created_by: true,
  created_at: true,
  started_at: true,
  finished_at: true,
}).extend({
  prompt_start: z.string().describe('The first 200 characters of the prompt.'),
  error_code: z.string().nullable(),
  cost_micro_usd: z.number().int(),
  pending_approvals: z.number().int(),
})

function toRunAnswer({ prompt: _prompt, ...run }: Run): RunAnswer {
  const next = nextCall(run)
  const cut = (run.output?.length ?? 0) > MAX_TEXT_CHARACTERS
  return {
    ...run,
    output: cut && run.output !== null ? run.output.slice(0, MAX_TEXT_CHARACTERS) : run.output,
    output_cut: cut,
    ...(next ? { next } : {}),
  }
}

export function toRunLine(run: Run): z.infer<typeof RunLine> {
  return {
    id: run.id,
    session_id: run.session_id,
    agent: run.agent,
    status: run.status,
    created_by: run.created_by,
    created_at: run.created_at,
    started_at: run.started_at,
    finished_at: run.finished_at,
    prompt_start: run.prompt.slice(0, 200),
    error_code: run.error?.code ?? null,
    cost_micro_usd: run.usage.cost_micro_usd,
    pending_approvals: run.pending.length,
  }
}

/** The whole answer of a tool that is about one run. */
export function answerRun(run: Run): Answer<RunAnswer> {
  return { structured: toRunAnswer(run), text: toText(run), links: runLinks(run.id), run }
}

function runLinks(id: string): Link[] {
  return [
    { uri: `run://${id}`, name: `run ${id}`, description: 'Summary of the run.', mimeType: 'text/markdown' },
    {
      uri: `run://${id}/transcript`,
      name: `transcript of ${id}`,
      description: 'What was said and done, in full.',
      mimeType: 'text/markdown',
    },
  ]
}

type RunWithoutPrompt = Omit<Run, 'prompt'>

function nextCall(run: RunWithoutPrompt): z.infer<typeof Next> | undefined {
  if (isTerminal(run.status)) return undefined
  const question = run.pending.find((approval) => approval.status === 'pending')
  if (run.status === 'awaiting_input' && question) {
    return question.kind === 'question' && question.options.length === 0
      ? { tool: 'session_send', args: { session_id: run.session_id, message: '<your answer>' }, after_seconds: 0 }
      : {
          tool: 'approval_decide',
          args: { approval_id: question.id, option_id: '<one of its options>' },
          after_seconds: 0,
        }
  }
  return { tool: 'run_get', args: { run_id: run.id, wait_seconds: 25 }, after_seconds: 0 }
}

function toText(run: Run): string {
  const parts = [`Run ${run.id} of ${run.agent} (session ${run.session_id}): ${statusInWords(run)}`]
  if (run.output) {
    const cut = run.output.length > MAX_TEXT_CHARACTERS
    parts.push(
      cut
        ? `${run.output.slice(0, MAX_TEXT_CHARACTERS)}\n[cut here; all of it: run://${run.id}/transcript]`
        : run.output,
    )
  }
  if (run.error) parts.push(`${run.error.code}: ${run.error.message}\n${run.error.hint}`)
  for (const approval of run.pending) {
    const options = approval.options.map((option) => `${option.id} (${option.label})`).join(', ')
    parts.push(
      [
        `Waiting, approval ${approval.id}, a ${approval.kind}: ${approval.message}`,
        ...(approval.tool
          ? [`Tool: ${approval.tool} ${shorten(JSON.stringify(approval.arguments ?? {}), 2_000)}`]
          : []),
        options ? `Options: ${options}` : 'Answer in words with session_send.',
        `Expires: ${approval.expires_at}`,
      ].join('\n'),
    )
  }
  const next = nextCall(run)
  if (next) parts.push(`Next: ${next.tool} ${JSON.stringify(next.args)}`)
  return parts.join('\n\n')
}

function statusInWords(run: Run): string {
  switch (run.status) {
    case 'queued':
      return 'queued.'
    case 'running':
      return run.stop_requested_at ? 'running, asked to stop.' : 'running.'
    case 'awaiting_input':
      return 'awaiting_input: a person must decide or answer.'
    case 'succeeded':
      return 'succeeded.'
    case 'failed':
      return 'failed.'
    case 'cancelled':
      return 'cancelled.'
  }
}

export function shorten(text: string, characters: number): string {
  return text.length > characters ? `${text.slice(0, characters - 1)}…` : text
}
