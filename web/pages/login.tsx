import type { Assets } from '../assets.ts'
import { layout } from './layout.tsx'

export function loginPage(assets: Assets, { next, problem }: { next: string; problem?: string }) {
  return layout({
    title: 'Log in',
    assets,
    user: null,
    children: (
      <article class="login">
        <h1>Log in</h1>
        <form method="post" action="/login">
          <input type="hidden" name="next" value={next} />
          <label>
            Token
            <input
              type="password"
              name="token"
              autocomplete="current-password"
              required
              autofocus
              aria-invalid={problem === undefined ? undefined : 'true'}
            />
            <small>{problem ?? 'The hub printed one at its first start.'}</small>
          </label>
          <button type="submit">Log in</button>
        </form>
        <p>
          <small>
            To make another one, run <code>signalbox token</code> where the hub runs.
          </small>
        </p>
      </article>
    ),
  })
}
