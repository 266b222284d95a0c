import type { Ref } from '../../core/index.ts'

/**
 * What is kept of a run: its ids and how the agent took it. `body`: the answer to the request is the run, and is lost with the
 * process; `callback`: events come to the inbox; `durable`: the agent answers for the run by its id; null: not known yet.
 */
export type HttpRef = { run_id: string; session_id: string; took: 'body' | 'callback' | 'durable' | null }

/** Written by `prepare` or `start`, stored as JSON since. */
export function readRef(ref: Ref): HttpRef {
  const { run_id, session_id, took } = ref
  if (typeof run_id !== 'string' || typeof session_id !== 'string')
    throw new Error('This is not a ref of this kind of runtime.')
  return { run_id, session_id, took: took === 'body' || took === 'callback' || took === 'durable' ? took : null }
}
