import type { Approval, ErrorBody, FileInfo, Run } from '../../core/index.ts'
import { isTerminal } from '../../core/index.ts'
import type { Assets } from '../assets.ts'
import { Notice } from './error.tsx'
import { layout } from './layout.tsx'
import type { Block } from './transcript.ts'
import { cost, count, duration, Status, When } from './words.tsx'

type RunView = { run: Run; now: Date; notice?: ErrorBody['error'] }

export function runPage(
  assets: Assets,
  user: string,
  view: RunView & { blocks: Block[]; files: FileInfo[]; after: number; over: boolean },
) {
  const { run, blocks, files, after, over } = view
  const live = over ? {} : { 'hx-sse:connect': `/runs/${run.id}/live?after=${after}`, 'hx-sse:close': 'over' }
  return layout({
    title: `${run.agent}: ${run.prompt.slice(0, 60)}`,
    assets,
    user,
    children: (
      <>
        <div id="run">
          <RunPanel {...view} />
        </div>
        <section id="transcript" aria-live="polite">
          {blocks.map((block, at) => (
            <BlockView block={block} at={at} />
          ))}
        </section>
        <div id="outcome">
          <Outcome run={run} blocks={blocks} files={files} />
        </div>
        <div id="live" {...live} />
      </>
    ),
  })
}

/** All about the run that changes while it goes on, besides what it says. */
export function RunPanel({ run, now, notice }: RunView) {
  return (
    <>
      {notice !== undefined && <Notice error={notice} />}
      <div class="title">
        <h1>{run.agent}</h1>
        <Status run={run} />
        {!isTerminal(run.status) && run.stop_requested_at === null && <StopButton run={run} />}
      </div>
      <pre class="prompt">{run.prompt}</pre>
      <Facts run={run} now={now} />
      {run.pending.map((approval) => (
        <ApprovalCard approval={approval} now={now} />
      ))}
    </>
  )
}

function StopButton({ run }: { run: Run }) {
  return (
    <form
      method="post"
      action={`/runs/${run.id}/stop`}
      {...fragment}
      hx-post={`/runs/${run.id}/stop`}
      hx-confirm="Stop this run?"
    >
      <button type="submit" class="stop">
        Stop
      </button>
    </form>
  )
}

/** Forms work without JavaScript too; with it, only this part of the page changes. */
const fragment = { 'hx-target': '#run', 'hx-swap': 'innerMorph' }

function Facts({ run, now }: { run: Run; now: Date }) {
  const { usage } = run
  return (
    <dl class="facts">
      <dt>Created</dt>
      <dd>
        <When at={run.created_at} now={now} />
      </dd>
      {run.started_at !== null && run.finished_at !== null && (
        <>
          <dt>Took</dt>
          <dd>{duration(run.started_at, run.finished_at)}</dd>
        </>
      )}
      <dt>Tokens</dt>
      <dd>
        {count(usage.input_tokens)} in, {count(usage.output_tokens)} out
      </dd>
      <dt>Cost</dt>
      <dd>{cost(usage)}</dd>
      <dt>Agent</dt>
      <dd>
        <a href={`/?agent=${run.agent}`}>{run.agent}</a> version {run.agent_version} on {run.runtime}
      </dd>
      <dt>Session</dt>
      <dd>
        <a href={`/?session_id=${run.session_id}`}>
          <code>{run.session_id}</code>
        </a>
      </dd>
      {run.redactions > 0 && (
        <>
          <dt>Secrets</dt>
          <dd>{count(run.redactions)} replaced</dd>
        </>
      )}
    </dl>
  )
}

const ASKED: Record<Approval['kind'], string> = {
  permission: 'The agent asks for permission',
  question: 'The agent asks',
  client_tool: 'The agent waits for a tool',
  sign_in: 'The agent waits for a sign-in',
}

function ApprovalCard({ approval, now }: { approval: Approval; now: Date }) {
  const decide = `/approvals/${approval.id}/decision`
  const answer = `/runs/${approval.run_id}/answer`
  return (
    <article class="approval" id={approval.id}>
      <header>
        <strong>{ASKED[approval.kind]}</strong>
      </header>
      <p>{approval.message}</p>
      {approval.tool !== null && (
        <p>
          Tool <code>{approval.tool}</code>
        </p>
      )}
      {approval.arguments !== null && <pre>{JSON.stringify(approval.arguments, null, 2)}</pre>}
      <form method="post" action={decide} {...fragment} hx-post={decide}>
        <input type="hidden" name="run_id" value={approval.run_id} />
        {approval.kind === 'permission' && (
          <input type="text" name="note" maxlength={4000} placeholder="Note (optional)" aria-label="Note" />
        )}
        <div class="options">
          {approval.options.map((option) => (
            <button type="submit" name="option_id" value={option.id} class={option.kind}>
              {option.label}
            </button>
          ))}
        </div>
      </form>
      {approval.kind === 'question' && (
        <form method="post" action={answer} {...fragment} hx-post={answer}>
          <div class="answer">
            <input type="text" name="prompt" required placeholder="Your answer" aria-label="Your answer" />
            <button type="submit">Answer</button>
          </div>
        </form>
      )}
      <small>
        Asked <When at={approval.created_at} now={now} />; the answer is waited for until{' '}
        {`${approval.expires_at.slice(0, 16).replace('T', ' ')} UTC`}.
      </small>
    </article>
  )
}

export const blockId = (at: number): string => `block-${at}`

export function BlockView({ block, at }: { block: Block; at: number }) {
  const id = blockId(at)
  if (block.kind === 'tool') {
    return (
      <details class="tool" id={id}>
        <summary id={`${id}-summary`}>
          <ToolSummary tool={block} />
        </summary>
        <div id={`${id}-body`}>
          <ToolBody tool={block} />
        </div>
      </details>
    )
  }
  if (block.kind === 'reasoning') {
    return (
      <details class="reasoning">
        <summary>Thinking</summary>
        <div class="said" id={id}>
          {block.text}
        </div>
      </details>
    )
  }
  return (
    <div class={block.kind === 'note' ? 'note' : 'said'} id={id}>
      {block.text}
    </div>
  )
}

type Tool = Extract<Block, { kind: 'tool' }>

export function ToolSummary({ tool }: { tool: Tool }) {
  const state = tool.result === null ? 'at work' : tool.failed ? 'failed' : 'done'
  return (
    <>
      <code>{tool.name}</code> <span class="short">{tool.arguments.slice(0, 120)}</span>{' '}
      <small class={state}>{state}</small>
    </>
  )
}

export function ToolBody({ tool }: { tool: Tool }) {
  return (
    <>
      <pre>{pretty(tool.arguments)}</pre>
      {tool.result !== null && <pre class="result">{tool.result === '' ? '(no output)' : tool.result}</pre>}
    </>
  )
}

/** How the run ended, its answer where it was not said on the way, and the files it made. */
export function Outcome({ run, blocks, files }: { run: Run; blocks: Block[]; files: FileInfo[] }) {
  if (!isTerminal(run.status)) return null
  const said = blocks.some(
    (block) => block.kind === 'text' && run.output !== null && block.text.includes(run.output.trim()),
  )
  return (
    <>
      {run.output !== null && run.output.trim() !== '' && !said && <div class="said">{run.output}</div>}
      {run.error !== null && (
        <article class="notice" role="alert">
          <strong>{run.error.message}</strong>
          <p>{run.error.hint}</p>
          <small>{run.error.code}</small>
        </article>
      )}
      {files.length > 0 && (
        <ul>
          {files.map(({ id, name, bytes }) => (
            <li>
              <a href={`/api/v1/files/${id}/content`}>{name}</a> <small>{count(bytes)} bytes</small>
            </li>
          ))}
        </ul>
      )}
      {run.status === 'cancelled' && <p class="note">The run was stopped.</p>}
    </>
  )
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2)
  } catch {
    // Arguments arrive in pieces, so what is there so far is often no JSON yet.
    return json
  }
}
