import type { Context } from 'hono'
import { type Core, HubError } from '../core/index.ts'
import { type Assets, readPackageFile } from './assets.ts'
import type { Api, WebEnv } from './env.ts'
import { docsPage } from './pages/docs.tsx'

const DESCRIPTION = `One control room for every agent runtime. Start work with \`POST /api/v1/runs\`, follow it by
\`GET /api/v1/runs/{id}/events/stream\`, answer what it asks at \`POST /api/v1/approvals/{id}/decision\`.

Send \`Authorization: Bearer <token>\`; \`signalbox token\` makes a token. Events are AG-UI 1.0 events with \`seq\` and \`at\`.
Times are ISO 8601 in UTC; money is in millionths of a US dollar. Every answer carries \`x-request-id\`, which the log of the
hub has too. Lists are read page by page: send \`next_cursor\` back as \`cursor\` until it is null.`

/** In the order in which a reader needs them. */
const TAGS = [
  { name: 'runs', description: 'Work: one prompt and its outcome, with a log of everything on the way.' },
  { name: 'sessions', description: 'Lasting conversations of one agent; each has many runs.' },
  { name: 'approvals', description: 'What runs wait for: permissions and questions.' },
  { name: 'agents', description: 'Who does the work: instructions, model, runtime, limits; versioned.' },
  { name: 'runtimes', description: 'Where agents run.' },
  { name: 'schedules', description: 'Prompts that are sent at times.' },
  { name: 'files', description: 'Files into runs and out of them.' },
  { name: 'usage', description: 'Tokens and cost.' },
  { name: 'config', description: 'All of it declared in one signalbox.yaml.' },
  { name: 'tokens', description: 'Who may call.' },
  { name: 'health', description: 'For whatever watches the process.' },
]

/** What describes the hub: the OpenAPI document, the JSON Schema of signalbox.yaml, and the page that shows the first. */
export function documents(app: Api, { core, assets }: { core: Core; assets: Assets }): void {
  // The document does not change while the hub runs; it is made when somebody first asks, once all routes are there.
  let document: string | undefined
  app.get('/openapi.json', (c) => {
    document ??= JSON.stringify(openApiDocument(app, core.version))
    return c.body(document, 200, { 'content-type': 'application/json' })
  })

  app.get('/schema.json', (c) => {
    return c.body(new Uint8Array(readSchema()), 200, { 'content-type': 'application/schema+json' })
  })

  app.get('/docs', (c) => c.html(docsPage(assets)))

  app.get('/assets/:hash/:name', (c) => asset(c, assets))
}

// As JSON, since OpenAPI's word for its type is also the name of a runtime, which stands in that runtime's folder only.
const BEARER = JSON.parse('{"type":"http","scheme":"bearer"}')

function openApiDocument(app: Api, version: string) {
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', BEARER)
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Signalbox',
      version,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: TAGS,
  })
}

function readSchema(): Buffer {
  try {
    return readPackageFile('schema.json')
  } catch (cause) {
    throw new HubError('not_found', 'This installation has no schema.json.', {
      hint: 'Install the package again.',
      cause,
    })
  }
}

function asset(c: Context<WebEnv, '/assets/:hash/:name'>, assets: Assets): Response {
  const found = assets.find(c.req.param('hash'), c.req.param('name'))
  if (found === null) throw new HubError('not_found', `There is nothing at ${c.req.path}.`)
  c.header('cache-control', 'public, max-age=31536000, immutable')
  c.header('content-type', found.type)
  c.header('vary', 'accept-encoding')
  if (!/\bgzip\b/.test(c.req.header('accept-encoding') ?? '')) return c.body(new Uint8Array(found.bytes))
  c.header('content-encoding', 'gzip')
  return c.body(new Uint8Array(found.gzipped))
}
