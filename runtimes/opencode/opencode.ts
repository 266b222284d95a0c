import * as z from 'zod'
import { type Health, HubError, type Runtime, type RuntimeHost, type RuntimeKind } from '../../core/index.ts'
import { findBinary } from './binary.ts'
import { createClient } from './client.ts'
import { delay } from './delay.ts'
import { createEventFeed } from './event-feed.ts'
import { factsOf, statusOf, streamOf } from './follow.ts'
import { fromRef, type Harness } from './harness.ts'
import { prepareHome } from './home.ts'
import { findIsolation, type Isolation, workspacesFolder } from './isolation.ts'
import { messageIdFor } from './message-id.ts'
import { sendToRun } from './send.ts'
import { type Server, superviseServer, type Timings } from './server.ts'
import { toModel } from './session-config.ts'
import { sessionFolder } from './session-folder.ts'
import { startRun } from './start.ts'

const tokens = (fewest: number) => z.number().int().min(fewest)

export const OpencodeSettings = z.strictObject({
  context_tokens: tokens(1_000)
    .default(200_000)
    .describe('What the models take in; near it the conversation is summed up.'),
  output_tokens: tokens(100).default(32_000).describe('The most that one answer of a model may have.'),
  workspaces: z
    .string()
    .startsWith('/')
    .optional()
    .describe('Folder for the workspaces; it must be one that the users of agents can reach.'),
})

/** OpenCode inside of the hub: one supervised server for many agents and sessions. */
export const opencode: RuntimeKind<typeof OpencodeSettings> = {
  kind: 'opencode',
  title: 'OpenCode in the hub',
  builtIn: 'inline',
  settings: OpencodeSettings,
  capabilities: () => ({
    continue: true,
    deltas: true,
    resume: 'history',
    cancel: 'sync',
    steer: true,
    interrupts: ['permission', 'question'],
    usage: 'run',
    cost: false,
    idempotent_start: true,
    placement: 'replica',
    config: {
      instructions: 'replace',
      model: true,
      env: true,
      skills: false,
      mcp_servers: false,
      permissions: true,
      files: true,
    },
  }),
  open: (settings, host) => openOpencode(settings, host),
}

export async function openOpencode(
  settings: z.infer<typeof OpencodeSettings>,
  host: RuntimeHost,
  timings?: Partial<Timings>,
): Promise<Runtime> {
  const { dataDir, runtimeId, log } = host
  const binary = findBinary()
  const isolation = await findIsolation()
  const workspaces = await workspacesFolder({ dataDir, runtimeId, chosen: settings.workspaces, isolation })
  const home = await prepareHome({ dataDir, workspaces, version: binary?.version ?? 'none' })
  const server = binary ? superviseServer({ binary, home, log, ...(timings && { timings }) }) : missing
  const harness: Harness = {
    client: createClient(server),
    feed: createEventFeed(server, log),
    folderOf: (hubSession) => sessionFolder(home, isolation, hubSession),
    access: {
      commands: isolation.kind === 'uids',
      limits: { context: settings.context_tokens, output: settings.output_tokens },
    },
    heard: new Map(),
    starting: new Map(),
  }
  // A server is there before somebody needs it; who needs it hears when it cannot be.
  server.ensure().catch(() => {})

  return {
    kind: 'opencode',
    async health() {
      const base = { version: binary?.version ?? null, models: [], checked_at: new Date().toISOString() }
      return { ...base, ...(await stateOf(server, isolation, home.log)) }
    },
    prepare(turn) {
      const { providerID, modelID } = toModel(turn.model)
      const session = turn.previous === null ? null : fromRef(turn.previous).session
      const prompt = messageIdFor('run', turn.runId)
      return { session, hubSession: turn.sessionId, prompt, provider: providerID, model: modelID }
    },
    start: (ref, turn, io) => startRun(harness, ref, turn, io),
    async find(given, turn, { signal }) {
      const ref = fromRef(given)
      const { session, messages } = await factsOf(harness, ref, signal)
      // Stored and never begun counts as not accepted: start() stores the same once more and sets it going.
      if (session === null || !messages?.some(({ info }) => info.parentID === ref.prompt)) return null
      await harness.folderOf(ref.hubSession).renewToken(turn.modelEndpoint?.token ?? null)
      return { ...ref, session }
    },
    stream: (ref, io) => streamOf(harness, ref, io),
    status: (ref, io) => statusOf(harness, ref, io),
    send: (ref, message, io) => sendToRun(harness, ref, message, io),
    async dispose(given, { signal }) {
      const { client } = harness
      const { workspace } = harness.folderOf(fromRef(given).hubSession)
      // A server that is down holds nothing, and is not started for this.
      if (server.current() === null || (await client.busy(workspace, signal)).size > 0) return
      await client.disposeInstance(workspace, signal)
    },
    async close() {
      for (const subscription of harness.heard.values()) subscription.close()
      harness.feed.close()
      await server.close()
    },
  }
}

type Supervised = Pick<Server, 'ensure' | 'close' | 'trouble' | 'current'>

const NOT_INSTALLED = 'OpenCode is not installed for this machine.'

const missing: Supervised = {
  ensure: () => Promise.reject(new HubError('runtime_unavailable', NOT_INSTALLED)),
  close: async () => {},
  trouble: () => NOT_INSTALLED,
  current: () => null,
}

/** How long a look at the health waits for a server that is being started. */
const HEALTH_MS = 5_000

async function stateOf(
  server: Supervised,
  isolation: Isolation,
  logFile: string,
): Promise<Pick<Health, 'status' | 'message' | 'remedy'>> {
  if (server === missing) {
    const remedy =
      'Run `npm ci` without --omit=optional; OpenCode has builds for Linux, macOS and Windows, x64 and arm64.'
    return { status: 'down', message: NOT_INSTALLED, remedy }
  }
  await Promise.race([server.ensure().catch(() => {}), delay(HEALTH_MS)])
  const trouble = server.trouble()
  if (trouble !== null) {
    const remedy = `Read ${logFile}, then restart the hub.`
    return { status: 'down', message: `The inline harness does not run: ${trouble}`, remedy }
  }
  if (server.current() === null) {
    return { status: 'unknown', message: 'The inline harness is being started.', remedy: 'Ask again in a moment.' }
  }
  if (isolation.kind === 'none') {
    const message = `Agents run no commands here: ${isolation.reason}.`
    return { status: 'degraded', message, remedy: isolation.remedy }
  }
  return { status: 'ok', message: null, remedy: null }
}
