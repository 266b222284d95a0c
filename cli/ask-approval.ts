import type { Approval } from '../core/index.ts'
import type { HubClient } from './hub-client.ts'
import { oneLine, printable, type Terminal } from './terminal.ts'

const LATER = '(later)'
const WRITE = '(write)'

/**
 * Asks the person at the terminal and sends the decision. `signal` ends the question: somebody else decided, or the run is over.
 * Resolves to false when the person puts it off or the question ended.
 */
export async function askApproval(
  hub: HubClient,
  terminal: Terminal,
  approval: Approval,
  signal: AbortSignal,
): Promise<boolean> {
  const { isCancel, select, text } = await import('@clack/prompts')
  terminal.note(toQuestion(approval, terminal))
  const choice = await select<string>({
    message: approval.kind === 'permission' ? 'Allow it?' : 'Your answer?',
    options: [
      ...approval.options.map(({ id, label }) => ({ value: id, label: oneLine(label, 100) })),
      ...(approval.kind === 'question' ? [{ value: WRITE, label: 'Write an answer' }] : []),
      { value: LATER, label: 'Decide later', hint: 'the run goes on waiting' },
    ],
    signal,
  })
  if (isCancel(choice) || choice === LATER) return false
  if (choice !== WRITE) {
    await hub.post(`/api/v1/approvals/${approval.id}/decision`, { option_id: choice }, { once: true })
    return true
  }
  const written = await text({
    message: 'Your answer',
    signal,
    validate: (value) => (value?.trim() ? undefined : 'Write something.'),
  })
  if (isCancel(written)) return false
  // Free text answers a question as a message to its session; an approval takes only its own options.
  await hub.post(`/api/v1/sessions/${approval.session_id}/messages`, { prompt: written, mode: 'queue' }, { once: true })
  return true
}

/** What is asked, with the tool and exactly what it would be called with. */
export function toQuestion(approval: Approval, terminal: Pick<Terminal, 'errColors'>): string {
  const { errColors: colors } = terminal
  const lines = [`${colors.yellow('?')} ${colors.bold(printable(approval.message))}`]
  if (approval.tool !== null) lines.push(`  ${colors.dim('tool')}  ${printable(approval.tool)}`)
  if (approval.arguments !== null && approval.arguments !== undefined) {
    const shown =
      typeof approval.arguments === 'string' ? approval.arguments : JSON.stringify(approval.arguments, null, 2)
    for (const line of printable(shown).split('\n').slice(0, 40)) lines.push(`  ${colors.dim(line)}`)
  }
  return lines.join('\n')
}

/** How to decide from another terminal: one command an option. */
export function toCommands(approval: Approval, command: string): string[] {
  return approval.options.map(({ id, kind }) =>
    kind.startsWith('allow')
      ? `${command} approve ${approval.id}${kind === 'allow_once' ? '' : ` --option ${id}`}`
      : kind.startsWith('reject')
        ? `${command} deny ${approval.id}${kind === 'reject_once' ? '' : ` --option ${id}`}`
        : `${command} approve ${approval.id} --option ${id}`,
  )
}
