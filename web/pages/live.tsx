import type { Child } from 'hono/jsx'
import type { Actor, Core, RunEvent } from '../../core/index.ts'
import { isTerminal } from '../../core/index.ts'
import { eventStream } from '../event-stream.ts'
import { BlockView, blockId, Outcome, RunPanel, ToolBody, ToolSummary } from './run-page.tsx'
import { type Block, type Change, createTranscript } from './transcript.ts'

type Fragments = { id: number; html: string; over: boolean }

/**
 * The run page's changes after `after`, as SSE whose data is HTML for htmx: each message says by itself where its parts
 * go. Its id is the seq up to which the page is then true. A last message named `over` tells htmx not to come back.
 */
export function liveRun(
  core: Core,
  actor: Actor,
  id: string,
  after: number,
  heartbeatMs: number,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return eventStream({
    open: (signal) => fragments(core, actor, id, after, signal),
    encode: (item) => encoder.encode(toMessage(item)),
    heartbeatMs,
  })
}

async function* fragments(
  core: Core,
  actor: Actor,
  id: string,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<Fragments> {
  const transcript = createTranscript()
  const panel = async () => {
    const [run, files] = await Promise.all([core.runs.get(actor, id), core.runs.artifacts(actor, id)])
    const html = [
      part('#run', 'innerMorph', <RunPanel run={run} now={new Date()} />),
      part('#outcome', 'innerHTML', <Outcome run={run} blocks={transcript.blocks} files={files} />),
    ]
    return { html, over: isTerminal(run.status) }
  }
  let seq = after
  // From the start, since what a new event adds to depends on all before it.
  for await (const batch of core.runs.watch(actor, id, { after: 0, signal })) {
    const fresh = batch.filter((event) => {
      if (event.seq > after) return true
      transcript.apply(event)
      return false
    })
    if (fresh.length === 0) continue
    seq = fresh.at(-1)?.seq ?? seq
    const html = merge(fresh.flatMap((event) => transcript.apply(event))).map(toFragment)
    if (fresh.some(concernsRun)) html.push(...(await panel()).html)
    yield { id: seq, html: (await Promise.all(html)).join(''), over: false }
  }
  if (signal.aborted) return
  // Said at the end and not with the final event, so that a reader who missed it is told when they come back.
  const { html, over } = await panel()
  yield { id: seq, html: (await Promise.all(html)).join(''), over }
}

/** Events after which the panel may say something else: the run began, paused or ended, or something was told about it. */
const concernsRun = ({ type }: RunEvent): boolean =>
  type.startsWith('RUN_') || type.startsWith('STEP_') || type === 'CUSTOM'

/** Text that was added piece by piece is sent as one; of a block that changed twice, the last state counts. */
export function merge(changes: Change[]): Change[] {
  const merged: Change[] = []
  for (const change of changes) {
    const last = merged.at(-1)
    if (last?.at === change.at && last.type === 'appended' && change.type === 'appended') {
      merged[merged.length - 1] = { ...last, text: last.text + change.text }
    } else if (last?.at === change.at && last.type === 'added') {
      // The block of `added` is the one in the transcript, which has this change already.
    } else if (last?.at === change.at && last.type === 'changed' && change.type === 'changed') {
      merged[merged.length - 1] = change
    } else {
      merged.push(change)
    }
  }
  return merged
}

async function toFragment(change: Change): Promise<string> {
  switch (change.type) {
    case 'added':
      return await part('#transcript', 'beforeend', <BlockView block={change.block} at={change.at} />)
    case 'appended':
      return await part(`#${blockId(change.at)}`, 'beforeend', change.text)
    case 'changed':
      return await toolFragments(change.block, blockId(change.at))
  }
}

/** The two insides only, so that a tool call that a reader opened stays open. */
async function toolFragments(block: Block, id: string): Promise<string> {
  if (block.kind !== 'tool') return ''
  const summary = await part(`#${id}-summary`, 'innerHTML', <ToolSummary tool={block} />)
  return summary + (await part(`#${id}-body`, 'innerHTML', <ToolBody tool={block} />))
}

/** htmx: `hx-partial` says where its content goes and how. */
async function part(target: string, swap: string, content: Child): Promise<string> {
  const element: string | Promise<string> = (
    <hx-partial hx-target={target} hx-swap={swap}>
      {content}
    </hx-partial>
  )
  return (await element).toString()
}

/** SSE takes any of the three line ends for one, so a bare CR in a text must not stay one. */
function toMessage({ id, html, over }: Fragments): string {
  const data = html
    .split(/\r\n|\r|\n/)
    .map((line) => `data: ${line}\n`)
    .join('')
  return `id: ${id}\n${data}\n${over ? 'event: over\ndata: over\n\n' : ''}`
}
