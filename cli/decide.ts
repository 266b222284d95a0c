import type { Command } from 'commander'
import type { Approval, InterruptOption } from '../core/index.ts'
import type { Context, JsonOption } from './command.ts'
import { usageError } from './exit-code.ts'

type Options = JsonOption & { option?: string; note?: string }

/** `approve` and `deny` are one command with two defaults: the mildest option that says yes, or no. */
export function decideWith(command: Command, { hub, terminal }: Context, kinds: InterruptOption['kind'][]): void {
  command
    .argument('<approval>', 'id of the approval')
    .option('-o, --option <id>', 'this option of the approval instead of the mildest')
    .option('--note <text>', 'kept with the decision and told to the agent where its runtime can')
    .action(async (id: string, options: Options) => {
      const path = `/api/v1/approvals/${encodeURIComponent(id)}`
      const asked = await hub.get<Approval>(path)
      const optionId = options.option ?? mildest(asked, kinds)
      const decided = await hub.post<Approval>(
        `${path}/decision`,
        { option_id: optionId, ...(options.note === undefined ? {} : { note: options.note }) },
        { once: true },
      )
      if (options.json) return terminal.json(decided)
      const label = decided.options.find((option) => option.id === decided.option_id)?.label ?? decided.option_id
      terminal.line(`${terminal.colors.green('✓')} ${decided.id}: ${label}`)
    })
}

function mildest(approval: Approval, kinds: InterruptOption['kind'][]): string {
  for (const kind of kinds) {
    const option = approval.options.find((candidate) => candidate.kind === kind)
    if (option) return option.id
  }
  throw usageError(
    `Approval ${approval.id} has no such option; it asks: ${approval.message}`,
    approval.options.length > 0
      ? `Choose one with --option: ${approval.options.map(({ id, label }) => `${id} (${label})`).join(', ')}.`
      : `Answer in words: signalbox send ${approval.session_id} "your answer"`,
  )
}
