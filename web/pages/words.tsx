import type { Run, RunStatus, Usage } from '../../core/index.ts'

const STATUS_WORDS: Record<RunStatus, string> = {
  queued: 'queued',
  running: 'running',
  awaiting_input: 'waiting for you',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
}

export function Status({ run }: { run: Pick<Run, 'status' | 'stop_requested_at' | 'finished_at'> }) {
  const stopping = run.stop_requested_at !== null && run.finished_at === null
  return <span class={`status ${run.status}`}>{stopping ? 'stopping' : STATUS_WORDS[run.status]}</span>
}

export const statusWord = (status: RunStatus): string => STATUS_WORDS[status]

/** "3 min ago"; assets/times.js keeps it true with the same words. */
export function Ago({ at, now }: { at: string; now: Date }) {
  return (
    <time datetime={at} title={absolute(at)} data-relative>
      {ago(new Date(at), now)}
    </time>
  )
}

/** Both: what a person reads at a glance and what they can quote. */
export function When({ at, now }: { at: string; now: Date }) {
  return (
    <>
      <Ago at={at} now={now} /> <small class="absolute">{absolute(at)}</small>
    </>
  )
}

const absolute = (at: string): string => `${at.slice(0, 19).replace('T', ' ')} UTC`

function ago(then: Date, now: Date): string {
  const seconds = Math.max(0, Math.floor((now.getTime() - then.getTime()) / 1_000))
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`
  return `${Math.floor(seconds / 86_400)} d ago`
}

/** "1 h 2 min", "3.4 s". */
export function duration(from: string, to: string): string {
  const ms = Math.max(0, Date.parse(to) - Date.parse(from))
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  const minutes = Math.floor(ms / 60_000)
  return minutes < 60
    ? `${minutes} min ${Math.floor((ms % 60_000) / 1_000)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** "$0.0123"; "≈" when it is not what a provider charged or listed. */
export function cost({ cost_kind, cost_micro_usd }: Usage): string {
  if (cost_kind === 'none') return 'not reported'
  const dollars = (cost_micro_usd / 1_000_000).toFixed(cost_micro_usd !== 0 && cost_micro_usd < 1_000_000 ? 4 : 2)
  return `${cost_kind === 'estimated' ? '≈ ' : ''}$${dollars}`
}

export const count = (value: number): string => value.toLocaleString('en-US')
