import type { ErrorBody } from '../../core/index.ts'
import type { Assets } from '../assets.ts'
import { layout } from './layout.tsx'

/** Any error as a page: what happened, what to do, and what to quote. */
export function errorPage(assets: Assets, { error }: ErrorBody) {
  return layout({
    title: 'Error',
    assets,
    user: null,
    children: (
      <article>
        <h1>{error.code === 'internal' ? 'Something broke in the hub' : error.message}</h1>
        <p>{error.hint}</p>
        <p>
          <small>
            {error.code} · request {error.request_id}
          </small>
        </p>
        <p>
          <a href="/">All runs</a>
        </p>
      </article>
    ),
  })
}

export function Notice({ error }: { error: ErrorBody['error'] }) {
  return (
    <article class="notice" role="alert">
      <strong>{error.message}</strong>
      <p>{error.hint}</p>
      <small>
        {error.code} · request {error.request_id}
      </small>
    </article>
  )
}
