import { html } from 'hono/html'
import type { Assets } from '../assets.ts'

/** The OpenAPI document in Swagger UI, all of it served from here. */
export function docsPage(assets: Assets) {
  return html`<!doctype html>${(
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>API · Signalbox</title>
        <link rel="icon" href={assets.url('icon.svg')} type="image/svg+xml" />
        <link rel="stylesheet" href={assets.url('swagger-ui.css')} />
        <script src={assets.url('swagger-ui.js')} defer />
        <script src={assets.url('docs.js')} defer />
      </head>
      <body>
        <div id="docs">
          <noscript>
            This page needs JavaScript; the same is at <a href="/openapi.json">/openapi.json</a>.
          </noscript>
        </div>
      </body>
    </html>
  )}`
}
