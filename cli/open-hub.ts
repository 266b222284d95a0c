import type { Hono } from 'hono'
import { createCore, type HubCore } from '../core/index.ts'
import { apisOf, type Providers, providersFromEnv } from '../gateway/providers.ts'
import { modelRelay } from '../gateway/relay.ts'
import { mcpApp } from '../mcp/index.ts'
import { runtimeKinds } from '../runtimes/index.ts'
import { webApp } from '../web/app.ts'
import { readRelayPort, writeRelayPort } from './data-folder.ts'
import type { HubLog } from './hub-log.ts'
import type { HubSettings } from './hub-settings.ts'
import { listen } from './listen.ts'

export type Hub = {
  core: HubCore
  models: Pick<Providers, 'defaultModel' | 'demo'>
  /** Where it is asked from this machine. */
  url: string
  /** True when port 4000 was taken and another one is used. */
  moved: boolean
  /** Lets requests in. Until then they wait, so that whoever gets an answer finds a hub that is all there. */
  serve(): Promise<void>
  /** Ends everything it started, in the order that loses nothing; each step is told before it is waited for. */
  close(step: (what: string) => void): Promise<void>
}

/** How long requests at work may take to end; event streams are cut then, and their clients go on from the last id. */
const GRACE_MS = 1_500

/**
 * Wires a hub: core, the model relay, REST and pages, MCP, on one port. The port comes first, so that what most often is
 * wrong is said first. What was opened is closed again when a later part fails. `step` hears what is being done.
 */
export async function openHub(settings: HubSettings, log: HubLog, step: (what: string) => void): Promise<Hub> {
  const undo: (() => Promise<void>)[] = []
  try {
    const models = await providersFromEnv(settings.env)
    const { app, open } = gatedApp()
    const listening = await listen(async (request, env) => (await app).fetch(request, env), { ...settings, log })
    undo.push(() => listening.close(0))

    step('Opening the database')
    const core = await createCore({
      dataDir: settings.dataDir,
      kinds: runtimeKinds,
      log,
      defaultModel: models.defaultModel,
      env: settings.env,
      ...(settings.databaseUrl === null ? {} : { databaseUrl: settings.databaseUrl }),
      ...(settings.publicUrl === null ? {} : { publicUrl: settings.publicUrl }),
    })
    undo.push(() => core.close())
    log.scrubWith((text) => core.scrub(text))

    step('Starting the model relay')
    const port = readRelayPort(settings.dataDir)
    const { providers } = models
    const relay = await modelRelay(core, { providers, log, ...(port === null ? {} : { port }) })
    undo.push(() => relay.close())
    if (relay.port !== port) writeRelayPort(settings.dataDir, relay.port)
    core.gateway.setModelEndpoint(relay.url, apisOf(providers))

    const reach = {
      log,
      allowedHosts: [...settings.allowedHosts, new URL(localUrl(settings.host, 0)).hostname],
      ...(settings.publicUrl === null ? {} : { publicUrl: settings.publicUrl }),
    }
    const mcp = mcpApp(core, { ...reach, version: core.version })
    undo.push(() => mcp.close())
    const web = webApp(core, reach)
    web.route('/', mcp)

    return {
      core,
      models,
      url: localUrl(settings.host, listening.port),
      moved: listening.moved,
      serve: async () => {
        await core.startWorker()
        open(web)
      },
      close: async (tell) => {
        const closed = listening.close(GRACE_MS)
        tell("the agents' processes; the next start takes up the runs that were at work")
        // Before the relay, so that no run takes the end of its model call for its own; core still records what was used.
        await core.stopWorker()
        tell('requests at work')
        await relay.close()
        await mcp.close()
        await closed
        await core.close()
      },
    }
  } catch (error) {
    for (const end of undo.reverse()) {
      await end().catch((failure: unknown) => log.warn('a part did not close', { error: String(failure) }))
    }
    throw error
  }
}

type App = Pick<Hono, 'fetch'>

function gatedApp(): { app: Promise<App>; open: (app: App) => void } {
  let open: (app: App) => void = () => {}
  const app = new Promise<App>((resolve) => {
    open = resolve
  })
  return { app, open: (opened) => open(opened) }
}

/** An address that listens everywhere is reached on this machine by its loopback. */
function localUrl(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}
