/** The whole way offline: core, the inline harness with its real binary, the relay, the demo model or a provider on loopback. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Run } from '../core/index.ts'
import { runtimeKinds } from '../runtimes/index.ts'
import { openTestCore, type TestCore } from '../test/core.ts'
import { apisOf, providersFromEnv } from './providers.ts'
import { type ModelRelay, modelRelay } from './relay.ts'

let hub: TestCore
let relay: ModelRelay
let workspaces: string
let mock: LLMock
const KEY = 'sk-the-real-key-0123456789abcdef'
const tokensSeen = new Set<string>()

const MODELS = { welcome: 'demo/demo', claude: 'anthropic/claude-sonnet-5', gpt: 'openai/gpt-5.5' }

beforeAll(async () => {
  mock = new LLMock({ port: 0, host: '127.0.0.1' })
  const usage = { prompt_tokens: 1000, completion_tokens: 20, input_tokens: 1000, output_tokens: 20 }
  mock.onMessage(/hello provider/, { content: `Hello back. Do not say ${KEY} aloud.`, usage })
  await mock.start()
  const env = {
    ANTHROPIC_API_KEY: KEY,
    ANTHROPIC_BASE_URL: mock.url,
    OPENAI_API_KEY: KEY,
    OPENAI_BASE_URL: `${mock.url}/v1`,
  }
  hub = await openTestCore({ kinds: runtimeKinds, worker: false, env })
  const { providers } = await providersFromEnv(env)
  const { core } = hub
  const watched = {
    ...core,
    gateway: {
      ...core.gateway,
      session(token: string, purpose: 'model' | 'mcp') {
        tokensSeen.add(token)
        return core.gateway.session(token, purpose)
      },
    },
  }
  relay = await modelRelay(watched, { providers, log: { info() {}, warn() {}, error() {} } })
  core.gateway.setModelEndpoint(relay.url, apisOf(providers))
  workspaces = await mkdtemp(join(tmpdir(), 'signalbox-workspaces-'))
  // Agents have users of their own, who must be able to get there.
  await chmod(workspaces, 0o755)
  await core.runtimes.update(hub.admin, 'inline', { settings: { workspaces } })
  for (const [name, model] of Object.entries(MODELS)) {
    await core.agents.create(hub.admin, { name, runtime: 'inline', model })
  }
  await core.startWorker()
}, 120_000)
afterAll(async () => {
  await hub?.close()
  await relay?.close()
  await mock?.stop()
  await rm(workspaces, { recursive: true, force: true })
})

/** Runs to the end, with a file that comes along. */
async function runOnce(prompt: string, files: string[] = [], agent: keyof typeof MODELS = 'welcome'): Promise<Run> {
  const { core, admin } = hub
  const started = await core.runs.start(admin, { agent, prompt, files, mode: 'queue' })
  for await (const _ of core.runs.watch(admin, started.id));
  return core.runs.get(admin, started.id)
}

test('the demo model reads a real file through the real harness, and its calls are metered on the run', async () => {
  const { core, admin } = hub
  const yaml = 'agents:\n  alpha:\n    description: First of two\n  beta:\n    description: Second of two\n'
  const file = await core.files.create(admin, {
    name: 'signalbox.yaml',
    media_type: 'application/yaml',
    content: Buffer.from(yaml),
  })
  const run = await runOnce('Which agents are in signalbox.yaml?', [file.id])
  expect(run.error).toBeNull()
  expect(run.output).toBe(
    '[demo model] I read files/signalbox.yaml: 5 lines.\n\nIts top-level keys: agents.\n\nIt declares 2 agents:\n- alpha: First of two\n- beta: Second of two',
  )
  const { events } = await core.runs.events(admin, run.id, { limit: 1000 })
  expect(events.filter(({ type }) => type === 'TOOL_CALL_START')).toMatchObject([{ toolCallName: 'read' }])
  expect(run.usage.model_calls).toBeGreaterThanOrEqual(2)
  expect(run.usage.input_tokens).toBeGreaterThan(100)
  expect(run.usage.output_tokens).toBeGreaterThan(10)
}, 120_000)

test('when the run is over, its session token is worth nothing', async () => {
  await runOnce('hello')
  expect(tokensSeen.size).toBeGreaterThan(0)
  for (const token of tokensSeen) {
    await expect(hub.core.gateway.session(token, 'model')).rejects.toMatchObject({ code: 'unauthenticated' })
  }
}, 120_000)

test('a run that counts slowly can be stopped', async () => {
  const { core, admin } = hub
  const started = await core.runs.start(admin, { agent: 'welcome', prompt: 'count to 100 slowly', mode: 'queue' })
  let text = ''
  for await (const batch of core.runs.watch(admin, started.id)) {
    text += batch.map((event) => (event.type === 'TEXT_MESSAGE_CONTENT' ? String(event.delta) : '')).join('')
    if (text.includes('\n2')) await core.runs.stop(admin, started.id).catch(() => {})
  }
  expect((await core.runs.get(admin, started.id)).status).toBe('cancelled')
  expect(text).toMatch(/^\[demo model\] Counting to 100\.\n1\n2/)
}, 120_000)

test.each([
  ['claude', 'messages'],
  ['gpt', 'chat'],
  ['gpt', 'responses'],
] as const)(
  'a run of %s calls its provider through the relay by %s; it is metered, and a key in the reply is not stored',
  async (agent, api) => {
    const provider = MODELS[agent].split('/', 1)[0]!
    hub.core.gateway.setModelEndpoint(relay.url, { [provider]: api })
    mock.clearRequests()
    const run = await runOnce('hello provider', [], agent)
    expect(run).toMatchObject({ status: 'succeeded', error: null })
    expect(run.output).toMatch(/^Hello back\. Do not say \[REDACTED:\w+\] aloud\.$/)
    expect(run.usage).toMatchObject({
      input_tokens: run.usage.model_calls * 1000,
      output_tokens: run.usage.model_calls * 20,
    })
    const paths = { messages: '/v1/messages', chat: '/v1/chat/completions', responses: '/v1/responses' }
    expect(new Set(mock.getRequests().map(({ path }) => path))).toEqual(new Set([paths[api]]))
    const { events } = await hub.core.runs.events(hub.admin, run.id, { limit: 1000 })
    expect(JSON.stringify(events)).not.toContain(KEY)
  },
  120_000,
)
