import type { Agent, Page, Run } from '../../core/index.ts'
import { RunStatus } from '../../core/index.ts'
import type { Assets } from '../assets.ts'
import { layout } from './layout.tsx'
import { Ago, cost, duration, Status, statusWord } from './words.tsx'

export type Filter = { agent?: string; status?: RunStatus; session_id?: string; cursor?: string }

type List = { runs: Page<Run>; filter: Filter; now: Date }

export function runListPage(assets: Assets, user: string, agents: Agent[], list: List) {
  return layout({
    title: 'Runs',
    assets,
    user,
    children: (
      <>
        <h1>Runs</h1>
        {list.filter.session_id !== undefined && (
          <p>
            Of session <code>{list.filter.session_id}</code>: <a href="/">show all</a>
          </p>
        )}
        <Filters agents={agents} filter={list.filter} />
        <RunList {...list} />
      </>
    ),
  })
}

function Filters({ agents, filter }: { agents: Agent[]; filter: Filter }) {
  return (
    <form method="get" action="/" class="filters">
      <select name="status" aria-label="Status">
        <option value="">Any status</option>
        {RunStatus.options.map((status) => (
          <option value={status} selected={status === filter.status}>
            {statusWord(status)}
          </option>
        ))}
      </select>
      <select name="agent" aria-label="Agent">
        <option value="">Any agent</option>
        {agents.map(({ name }) => (
          <option value={name} selected={name === filter.agent}>
            {name}
          </option>
        ))}
      </select>
      {filter.session_id !== undefined && <input type="hidden" name="session_id" value={filter.session_id} />}
      <button type="submit" class="secondary">
        Show
      </button>
    </form>
  )
}

/** The list asks for itself again, so that the newest page stays true; older pages do not change much and stay. */
export function RunList({ runs, filter, now }: List) {
  const live =
    filter.cursor === undefined ? { 'hx-get': `/fragments/runs?${query(filter)}`, 'hx-trigger': 'every 3s' } : {}
  return (
    <section id="runs" hx-swap="outerMorph" {...live}>
      {runs.data.length === 0 ? (
        <Empty filter={filter} />
      ) : (
        <ul class="runs">
          {runs.data.map((run) => (
            <Row run={run} now={now} />
          ))}
        </ul>
      )}
      <nav class="pages">
        {filter.cursor !== undefined && <a href={`/?${query({ ...filter, cursor: undefined })}`}>Newest</a>}
        {runs.next_cursor !== null && <a href={`/?${query({ ...filter, cursor: runs.next_cursor })}`}>Older</a>}
      </nav>
    </section>
  )
}

function Row({ run, now }: { run: Run; now: Date }) {
  return (
    <li id={run.id}>
      <a href={`/runs/${run.id}`}>
        <Status run={run} />
        <strong>{run.agent}</strong>
        <span class="prompt">{firstLine(run.prompt)}</span>
        <small>
          <Ago at={run.created_at} now={now} />
          {run.started_at !== null && run.finished_at !== null && ` · ${duration(run.started_at, run.finished_at)}`}
          {run.usage.cost_kind !== 'none' && ` · ${cost(run.usage)}`}
        </small>
      </a>
    </li>
  )
}

function Empty({ filter }: { filter: Filter }) {
  const filtered = filter.agent !== undefined || filter.status !== undefined || filter.session_id !== undefined
  if (filtered || filter.cursor !== undefined) {
    return (
      <article>
        <p>No runs like that.</p>
        <a href="/">Show all runs</a>
      </article>
    )
  }
  return (
    <article>
      <p>No runs yet. Start one where the hub runs:</p>
      <pre>
        <code>npx signalbox run welcome "hello"</code>
      </pre>
      <p>
        Or over HTTP: <a href="/docs">see the API</a>.
      </p>
    </article>
  )
}

const firstLine = (prompt: string): string => prompt.trimStart().split('\n', 1)[0]?.slice(0, 200) ?? ''

function query(filter: Filter): string {
  const entries = Object.entries(filter).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return new URLSearchParams(entries).toString()
}
