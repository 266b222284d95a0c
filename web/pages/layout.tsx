import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { Assets } from '../assets.ts'

type Layout = {
  title: string
  assets: Assets /** Whose page it is; null before login. */
  user: string | null
  children?: Child
}

/** No inline indicator styles, which the content security policy would refuse; a hub that restarts is soon asked again. */
const HTMX_CONFIG = JSON.stringify({ includeIndicatorCSS: false, sse: { reconnectMaxDelay: 5_000 } })

export function layout({ title, assets, user, children }: Layout) {
  return html`<!doctype html>${(
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="htmx-config" content={HTMX_CONFIG} />
        <title>{title} · Signalbox</title>
        <link rel="icon" href={assets.url('icon.svg')} type="image/svg+xml" />
        <link rel="stylesheet" href={assets.url('pico.css')} />
        <link rel="stylesheet" href={assets.url('signalbox.css')} />
        {/* Not deferred: a deferred htmx begins before its extension has come, and would then never open a stream. */}
        <script src={assets.url('htmx.js')} />
        <script src={assets.url('hx-sse.js')} />
        <script src={assets.url('times.js')} defer />
      </head>
      <body>
        <header class="container">
          <nav>
            <ul>
              <li>
                <a href="/" class="brand">
                  <img src={assets.url('icon.svg')} alt="" width="28" height="28" />
                  <strong>Signalbox</strong>
                </a>
              </li>
            </ul>
            <ul>
              <li>
                <a href="/docs">API</a>
              </li>
              {user !== null && (
                <li>
                  <form method="post" action="/logout">
                    <button type="submit" class="link" title={`Signed in as ${user}`}>
                      Log out
                    </button>
                  </form>
                </li>
              )}
            </ul>
          </nav>
        </header>
        <main class="container">{children}</main>
      </body>
    </html>
  )}`
}
