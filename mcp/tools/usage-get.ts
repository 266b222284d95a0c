import * as z from 'zod'
import { UsageBy, UsageReport } from '../../core/index.ts'
import { tool } from '../tool.ts'

export const usageGet = tool({
  name: 'usage_get',
  title: 'Look at usage',
  description:
    'Runs, tokens and cost (micro-dollars: 1,000,000 is one US dollar), summed by agent, runtime, session, user or day.',
  input: z.strictObject({
    by: UsageBy.default('agent'),
    since: z.iso.datetime({ offset: true }).optional().describe('Only runs made at or after this time (ISO 8601).'),
  }),
  output: UsageReport,
  annotations: { readOnlyHint: true, openWorldHint: false },
  handler: async (core, actor, input) => {
    const report = await core.usage(actor, input)
    const lines = report.rows.map(
      ({ key, runs, usage }) =>
        `- ${key}: ${runs} runs, ${usage.input_tokens} tokens in, ${usage.output_tokens} out, $${(usage.cost_micro_usd / 1_000_000).toFixed(4)}${usage.cost_kind === 'estimated' ? ' (estimated)' : ''}`,
    )
    return { structured: report, text: lines.length > 0 ? lines.join('\n') : 'No usage in that time.' }
  },
})
