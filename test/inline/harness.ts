import { setMaxListeners } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ref, Runtime, RuntimeEvent, RuntimeHost, RuntimeIO, Snapshot, Turn } from '../../core/index.ts'
import { OpencodeSettings, openOpencode } from '../../runtimes/opencode/opencode.ts'
import type { Timings } from '../../runtimes/opencode/server.ts'
import { type Script, type ScriptedModel, startScriptedModel } from './scripted-model.ts'

export type InlineHarness = Awaited<ReturnType<typeof startInlineHarness>>

export const quiet = { info() {}, warn() {}, error() {} }

/** The real harness with a scripted model server, in a folder of its own that agents' users can reach. */
export async function startInlineHarness(
  options: { settings?: Record<string, unknown>; timings?: Partial<Timings>; model?: ScriptedModel } = {},
) {
  const model = options.model ?? (await startScriptedModel())
  const root = await mkdtemp(join(tmpdir(), 'signalbox-inline-'))
  await chmod(root, 0o711)
  const dataDir = join(root, 'runtime')
  await mkdir(dataDir, { mode: 0o700 })
  const settings = OpencodeSettings.parse(options.settings ?? {})
  const host: RuntimeHost = {
    runtimeId: 'rtm_test',
    name: 'inline',
    dataDir,
    resolveSecret: () => Promise.reject(new Error('no secrets here')),
    async *inbox() {},
    log: quiet,
  }
  const open = () => openOpencode(settings, host, options.timings)
  let runtime = await open()
  let count = 0
  const io: RuntimeIO = { signal: new AbortController().signal, log: quiet }
  // Many runs listen to one signal here, which is no leak.
  setMaxListeners(0, io.signal)

  /** A turn of a new session, unless told otherwise. */
  function turn(input: string | Script, changes: Partial<Turn> & { number?: number } = {}): Turn {
    const id = ++count
    const { number, ...others } = changes
    return {
      runId: `run_${id}`,
      sessionId: `ses_${id}`,
      agent: { id: `agt_${number ?? 1}`, name: 'tester', number: number ?? 1, version: 1 },
      previous: null,
      input: { text: typeof input === 'string' ? input : JSON.stringify(input), files: [] },
      instructions: 'You are a test.',
      model: 'scripted/one',
      permissions: {},
      env: {},
      skills: [],
      mcpServers: [],
      workspace: null,
      modelEndpoint: { baseUrl: model.baseUrl, token: `token-${id}`, api: 'chat' },
      mcpEndpoint: null,
      callbackUrl: null,
      limits: {},
      deadline: new Date(Date.now() + 60_000),
      traceparent: null,
      ...others,
    }
  }

  async function start(given: Turn): Promise<Ref> {
    return await runtime.start(runtime.prepare(given), given, io)
  }

  /** Follows a run to its end, as core does: streams, asks, streams again. */
  async function finish(ref: Ref, heard: RuntimeEvent[] = []): Promise<{ events: RuntimeEvent[]; snapshot: Snapshot }> {
    for (;;) {
      for await (const event of runtime.stream(ref, io)) heard.push(event)
      const snapshot = await runtime.status(ref, io)
      if (snapshot.status !== 'running' && snapshot.status !== 'awaiting_input') return { events: heard, snapshot }
    }
  }

  return {
    model,
    io,
    dataDir,
    turn,
    start,
    finish,
    get runtime(): Runtime {
      return runtime
    },
    async run(given: Turn) {
      const ref = await start(given)
      return { ref, ...(await finish(ref)) }
    },
    /** Resolves when the server runs. */
    ready: () => until('the server', async () => existsSync(join(dataDir, 'server.json')), 60_000),
    /** A request to OpenCode itself, for what only OpenCode can bring about. */
    async native(path: string, body: unknown): Promise<void> {
      const { port } = JSON.parse(await readFile(join(dataDir, 'server.json'), 'utf8')) as { port: number }
      const password = await readFile(join(dataDir, 'password'), 'utf8')
      const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      if (!response.ok) throw new Error(`OpenCode answered ${response.status}: ${await response.text()}`)
    },
    workspace: (given: Turn) => join(dataDir, 'workspaces', given.sessionId),
    /** A second adapter on the same folder, as the next hub would open it. The first is left as a crash leaves it. */
    async reopen(): Promise<void> {
      runtime = await open()
    },
    async stop(): Promise<void> {
      await runtime.close?.()
      if (!options.model) await model.stop()
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** Waits until it is so; says what was waited for when it never is. */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  withinMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > deadline) throw new Error(`never came: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
