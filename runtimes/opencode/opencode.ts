import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import {
  type Answer,
  HubError,
  isTerminal,
  type Ref,
  type Runtime,
  type RuntimeEvent,
  type RuntimeHost,
  type RuntimeIO,
  type RuntimeKind,
  RuntimeRejection,
  type Snapshot,
  type Steer,
  type Turn,
} from '../../core/index.ts'
import { findBinary } from './binary.ts'
import { createClient, OpencodeError } from './client.ts'
import { createEventFeed, type NativeEvent, type Subscription } from './event-feed.ts'
import { prepareHome } from './home.ts'
import { findIsolation, workspacesFolder } from './isolation.ts'
import { messageIdFor, partIdOf } from './message-id.ts'
import { judge, ownMessages } from './outcome.ts'
import { type Server, superviseServer, type Timings } from './server.ts'
import { AGENT, toModel } from './session-config.ts'
import { sessionFolder } from './session-folder.ts'
import { answersTo, callsOf, permissionInterrupt, questionInterrupt, translation } from './translate.ts'

export const OpencodeSettings = z.strictObject({
  model: z
    .string()
    .min(3)
    .max(200)
    .optional()
    .describe('provider/model for agents that name none, before the default of the hub.'),
  context_tokens: z
    .number()
    .int()
    .min(1_000)
    .default(200_000)
    .describe('What the models take in; near it the conversation is summed up.'),
  output_tokens: z.number().int().min(100).default(32_000).describe('The most that one answer of a model may have.'),
  workspaces: z
    .string()
    .startsWith('/')
    .optional()
    .describe('Folder for the workspaces; it must be one that agents can reach.'),
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

/** What is kept of a run. `session` is OpenCode's id, known from the first acceptance on. */
type OpencodeRef = { session: string | null; hubSession: string; prompt: string; provider: string; model: string }

/** A prompt that was accepted is at work within moments. */
const ACCEPT_MS = 15_000
/** How long a look at the health waits for a server that is being started. */
const HEALTH_MS = 5_000
/** OpenCode is asked whether it began when it says nothing for so long. */
const ASK_MS = 500
/** How often, and after which pause, the list of what is at work is read once a session has come to rest. */
const IDLE_TRIES = 10
const IDLE_MS = 30
/** After such a silence OpenCode is asked. */
const QUIET_MS = 10_000
/** How long a session may take to come to rest after a stop before the next prompt is given up. */
const REST_MS = 10_000

export async function openOpencode(
  settings: z.infer<typeof OpencodeSettings>,
  host: RuntimeHost,
  timings?: Partial<Timings>,
): Promise<Runtime> {
  const { log } = host
  const binary = findBinary()
  const isolation = await findIsolation()
  const workspaces = await workspacesFolder({
    dataDir: host.dataDir,
    runtimeId: host.runtimeId,
    chosen: settings.workspaces,
    isolation,
  })
  const home = await prepareHome({ dataDir: host.dataDir, workspaces, version: binary?.version ?? 'none' })
  const server: Pick<Server, 'ensure' | 'close' | 'trouble' | 'current'> = binary
    ? superviseServer({ binary, home, log, ...(timings && { timings }) })
    : {
        ensure: () => Promise.reject(new HubError('runtime_unavailable', MISSING)),
        close: async () => {},
        trouble: () => MISSING,
        current: () => null,
      }
  const client = createClient(server)
  const feed = createEventFeed(server, log)
  /** Heard since the prompt went out, for the stream that follows: without it the first words are told only when complete. */
  const heard = new Map<string, Subscription>()
  const starting = new Map<string, Promise<void>>()
  // A server is there before somebody needs it; who needs it hears when it cannot be.
  server.ensure().catch(() => {})

  const folderOf = (ref: OpencodeRef) => sessionFolder(home, isolation, ref.hubSession)
  const promptOf = (ref: OpencodeRef) => ({ agent: AGENT, model: { providerID: ref.provider, modelID: ref.model } })

  /** One start at a time in a session, so that a repeat finds what the first has made. */
  async function start(given: Ref, turn: Turn, io: RuntimeIO): Promise<Ref> {
    const before = starting.get(turn.sessionId) ?? Promise.resolve()
    const own = before.then(() => begin(fromRef(given), turn, io))
    const done = own.then(
      () => {},
      () => {},
    )
    starting.set(turn.sessionId, done)
    try {
      return await own
    } finally {
      if (starting.get(turn.sessionId) === done) starting.delete(turn.sessionId)
    }
  }

  async function begin(ref: OpencodeRef, turn: Turn, { signal }: RuntimeIO): Promise<Ref> {
    if (turn.modelEndpoint === null)
      throw new RuntimeRejection(
        'runtime_unavailable',
        'The hub has no model relay, and the inline harness calls models by it alone.',
      )
    if (turn.workspace !== null)
      throw new RuntimeRejection('runtime_rejected', 'The inline harness does not check out repositories.')
    const folder = folderOf(ref)
    const access = {
      ...turn.modelEndpoint,
      model: promptOf(ref).model,
      commands: isolation.kind === 'uids',
      limits: { context: settings.context_tokens, output: settings.output_tokens },
    }
    let session: string
    try {
      await server.ensure()
      const { changed } = await folder.prepare(turn, access)
      const found = ref.session ?? (await client.sessions(folder.workspace, signal))[0]?.id ?? null
      // A prompt that was stored by an earlier try may be at work already: nothing is cleared out of its way.
      const again = found !== null && (await client.messagesFrom(found, ref.prompt, signal)) !== null
      if (found !== null && !again) await rest(folder.workspace, found, signal)
      if (changed && !again) await client.disposeInstance(folder.workspace, signal)
      session =
        found ?? (await client.createSession(folder.workspace, `${turn.agent.name} ${turn.sessionId}`, signal)).id
    } catch (error) {
      // Nothing of the prompt has gone out yet.
      throw rejection(error)
    }
    const accepted: OpencodeRef = { ...ref, session }
    const paths = await folder.addFiles(turn.input.files, turn.agent.number)
    await listen(accepted)
    await store(accepted, ref.prompt, withFiles(turn, paths), signal)
    await setGoing(accepted, ref.prompt, signal)
    return accepted
  }

  /** Waits until nothing is at work in a session: a run that was stopped may take a moment to wind up. */
  async function rest(workspace: string, session: string, signal: AbortSignal): Promise<void> {
    const until = Date.now() + REST_MS
    for (;;) {
      if (!(await client.busy(workspace, signal)).has(session)) return
      if (Date.now() > until)
        throw new RuntimeRejection('runtime_unavailable', 'The session is still at work on something that was stopped.')
      await client.abort(session, signal)
      await delay(100)
    }
  }

  async function store(ref: OpencodeRef, messageId: string, text: string, signal: AbortSignal): Promise<void> {
    await client.storePrompt(ref.session!, { ...promptOf(ref), messageId, partId: partIdOf(messageId), text }, signal)
  }

  /** Returns once OpenCode is at work on the prompt or has answered it. A repeat while it works, or afterwards, changes nothing. */
  async function setGoing(ref: OpencodeRef, messageId: string, signal: AbortSignal): Promise<void> {
    const { workspace } = folderOf(ref)
    const session = ref.session!
    const subscription = await feed.subscribe(session)
    try {
      await client.answerPrompts(session, { ...promptOf(ref), messageId }, signal)
      const until = Date.now() + ACCEPT_MS
      for (;;) {
        const next = await subscription.next(signal, ASK_MS)
        signal.throwIfAborted()
        if (next?.type === 'event') {
          const said = complaint(next.event)
          if (said !== null) throw new RuntimeRejection('runtime_rejected', `OpenCode did not take the prompt: ${said}`)
          if (next.event.type === 'session.status' && isAtWork(next.event)) return
          continue
        }
        if ((await client.busy(workspace, signal)).has(session)) return
        const messages = await client.messagesFrom(session, messageId, signal)
        if (messages?.some(({ info }) => info.parentID === messageId)) return
        if (Date.now() > until) throw new Error('OpenCode took the prompt and did not begin with it')
      }
    } finally {
      subscription.close()
    }
  }

  async function listen(ref: OpencodeRef): Promise<void> {
    const session = ref.session!
    heard.get(session)?.close()
    heard.set(session, await feed.subscribe(session))
  }

  function forget(session: string | null): void {
    if (session === null) return
    heard.get(session)?.close()
    heard.delete(session)
  }

  async function facts(ref: OpencodeRef, signal: AbortSignal) {
    const folder = folderOf(ref)
    const session = ref.session ?? (await client.sessions(folder.workspace, signal))[0]?.id
    if (session === undefined) return { session: null, messages: null, busy: false, interrupts: [], cancelled: false }
    // The order matters: an answer is stored before its session comes to rest.
    const busy = (await client.busy(folder.workspace, signal)).has(session)
    const messages = await client.messagesFrom(session, ref.prompt, signal)
    const interrupts = busy && messages ? await pending(folder.workspace, session, callsOf(messages), signal) : []
    return { session, messages, busy, interrupts, cancelled: await folder.isCancelled(ref.prompt) }
  }

  async function pending(workspace: string, session: string, calls: ReturnType<typeof callsOf>, signal: AbortSignal) {
    const [permissions, questions] = await Promise.all([
      client.permissions(workspace, signal),
      client.questions(workspace, signal),
    ])
    const own = <T extends { sessionID: string }>(all: T[]) => all.filter(({ sessionID }) => sessionID === session)
    return [
      ...own(permissions).map((request) => permissionInterrupt(request, calls)),
      ...own(questions).map((request) => questionInterrupt(request, calls)),
    ]
  }

  async function status(given: Ref, { signal }: RuntimeIO): Promise<Snapshot> {
    const ref = fromRef(given)
    const found = await facts(ref, signal)
    const judged = judge(found)
    if (judged.status !== 'unanswered') {
      if (judged.status === 'unknown' || isTerminal(judged.status)) forget(found.session)
      return judged
    }
    // The server ended before it began, or a message came in as the last answer was finished. Nothing of it was done: it is done now.
    const own = ownMessages(found.messages!)
    const prompt = own.findLast(({ info }) => info.role === 'user')!.info.id
    try {
      await setGoing({ ...ref, session: found.session }, prompt, signal)
    } catch (error) {
      if (!(error instanceof RuntimeRejection)) throw error
      return { status: 'failed', error: { code: 'runtime_failed', message: error.message } }
    }
    return { status: 'running' }
  }

  async function* stream(given: Ref, { signal }: RuntimeIO): AsyncGenerator<RuntimeEvent> {
    const ref = fromRef(given)
    if (ref.session === null) return
    const session = ref.session
    const translate = translation(ref.prompt)
    const fromStart = heard.get(session)
    heard.delete(session)
    const subscription = fromStart ?? (await feed.subscribe(session))
    try {
      if (!fromStart && (yield* retell()) === 'over') return
      for (;;) {
        const next = await subscription.next(signal, QUIET_MS)
        if (signal.aborted) return
        if (next === null) {
          // Events are a hint: the end of a run may go unheard.
          if ((yield* retell()) === 'over') return
          continue
        }
        if (next.type === 'gap') {
          translate.lostSight()
          if ((yield* retell()) === 'over') return
          continue
        }
        yield* translate.live(next.event)
        if (next.event.type !== 'session.idle') continue
        // Told a moment before OpenCode's own list says so; a steering message at the very end sets it going again.
        for (let tries = 0; tries < IDLE_TRIES && !signal.aborted; tries++) {
          if ((yield* retell()) === 'over') return
          await delay(IDLE_MS)
        }
      }
    } finally {
      subscription.close()
    }

    /** Tells from what is stored, so that a stream always ends complete. */
    async function* retell(): AsyncGenerator<RuntimeEvent, 'over' | 'on'> {
      const { messages, busy, interrupts } = await facts(ref, signal)
      if (messages) yield* translate.history(ownMessages(messages))
      for (const interrupt of interrupts) yield { type: 'interrupt', interrupt }
      return busy ? 'on' : 'over'
    }
  }

  async function answer(ref: OpencodeRef, { interruptId, option, text, note }: Answer, signal: AbortSignal) {
    const { workspace } = folderOf(ref)
    try {
      if (interruptId.startsWith('per_')) {
        const rejected = option.kind === 'reject_once' || option.kind === 'reject_always'
        const reply = rejected ? 'reject' : option.kind === 'allow_always' ? 'always' : 'once'
        // Without words OpenCode takes a rejection for the end of the run.
        await client.replyPermission(
          workspace,
          interruptId,
          { reply, ...(rejected && { message: note ?? 'A person did not allow this.' }) },
          signal,
        )
      } else if (option.kind === 'answer') {
        const request = (await client.questions(workspace, signal)).find(({ id }) => id === interruptId)
        if (!request) return { result: 'already_terminal' as const }
        const given = text ?? (option.id === 'answer' ? (note ?? '') : undefined)
        await client.replyQuestion(
          workspace,
          interruptId,
          answersTo(request, given === undefined ? { label: option.label } : { text: given }),
          signal,
        )
      } else await client.rejectQuestion(workspace, interruptId, signal)
      return { result: 'done' as const }
    } catch (error) {
      // Answered before, or gone with the server that asked.
      if (error instanceof OpencodeError && error.status === 404) return { result: 'already_terminal' as const }
      throw error
    }
  }

  async function steer(ref: OpencodeRef, { text }: Steer, signal: AbortSignal) {
    const { busy, messages } = await facts(ref, signal)
    if (!busy || messages === null) return { result: 'already_terminal' as const }
    const messageId = messageIdFor('steer', randomUUID())
    // The loop at work takes it up with its next step; if that was the last, status() sets it going again.
    await store(ref, messageId, text, signal)
    return { result: 'accepted' as const }
  }

  async function cancel(ref: OpencodeRef, signal: AbortSignal) {
    await folderOf(ref).noteCancelled(ref.prompt)
    const { busy, messages, session } = await facts(ref, signal)
    // A later run of the session is not to be stopped with this one.
    if (!session || !messages || !busy || ownMessages(messages).length < messages.length)
      return { result: 'already_terminal' as const }
    await client.abort(session, signal)
    return { result: 'done' as const }
  }

  return {
    kind: 'opencode',
    async health() {
      const checkedAt = new Date().toISOString()
      const base = { version: binary?.version ?? null, models: [], checked_at: checkedAt }
      if (!binary)
        return {
          ...base,
          status: 'down',
          message: MISSING,
          remedy:
            'Run `npm ci` without --omit=optional on this machine; OpenCode has builds for Linux, macOS and Windows on x64 and arm64.',
        }
      await Promise.race([server.ensure().catch(() => {}), delay(HEALTH_MS)])
      const trouble = server.trouble()
      if (trouble !== null)
        return {
          ...base,
          status: 'down',
          message: `The inline harness does not run: ${trouble}`,
          remedy: `Read ${home.log}, then restart the hub.`,
        }
      if (server.current() === null)
        return {
          ...base,
          status: 'unknown',
          message: 'The inline harness is being started.',
          remedy: 'Ask again in a moment.',
        }
      if (isolation.kind === 'none')
        return {
          ...base,
          status: 'degraded',
          message: `Agents run no commands here: ${isolation.reason}.`,
          remedy: isolation.remedy,
        }
      return { ...base, status: 'ok', message: null, remedy: null }
    },
    prepare(turn) {
      const { providerID, modelID } = toModel(turn.model ?? settings.model ?? null)
      const previous = turn.previous === null ? null : fromRef(turn.previous).session
      return {
        session: previous,
        hubSession: turn.sessionId,
        prompt: messageIdFor('run', turn.runId),
        provider: providerID,
        model: modelID,
      }
    },
    start,
    async find(given, turn, { signal }) {
      const ref = fromRef(given)
      const { session, messages } = await facts(ref, signal)
      // Stored and never begun counts as not accepted: start() stores the same once more and sets it going.
      if (session === null || messages === null || !messages.some(({ info }) => info.parentID === ref.prompt))
        return null
      await sessionFolder(home, isolation, turn.sessionId).renewToken(turn.modelEndpoint?.token ?? null)
      return { ...ref, session }
    },
    stream,
    status,
    async send(given, message, { signal }) {
      const ref = fromRef(given)
      switch (message.type) {
        case 'answer':
          return await answer(ref, message, signal)
        case 'steer':
          return await steer(ref, message, signal)
        case 'cancel':
          return await cancel(ref, signal)
      }
    },
    async dispose(given, { signal }) {
      const ref = fromRef(given)
      const { workspace } = folderOf(ref)
      if (server.current() === null) return
      if ((await client.busy(workspace, signal)).size === 0) await client.disposeInstance(workspace, signal)
    },
    async close() {
      for (const subscription of heard.values()) subscription.close()
      feed.close()
      await server.close()
    },
  }
}

const MISSING = 'OpenCode is not installed for this machine.'

function fromRef(ref: Ref): OpencodeRef {
  // Written by prepare() and start() of this file only.
  return ref as OpencodeRef
}

// OpenCode's shape; what an earlier run left behind may still be told.
const isAtWork = ({ properties }: NativeEvent) => (properties.status as { type?: string } | undefined)?.type !== 'idle'

/** What OpenCode says about a session when it cannot even begin. */
function complaint({ type, properties }: NativeEvent): string | null {
  if (type !== 'session.error') return null
  const error = properties.error as { name?: string; data?: { message?: string } } | undefined // OpenCode's shape
  return error?.data?.message ?? error?.name ?? 'no reason given'
}

function withFiles({ input }: Turn, paths: string[]): string {
  if (paths.length === 0) return input.text
  const lines = input.files.map(({ mediaType, bytes }, index) => `- ${paths[index]} (${mediaType}, ${bytes} bytes)`)
  return `${input.text}\n\nFiles that came with this message, in the working directory:\n${lines.join('\n')}`
}

/** For what fails before the prompt was sent. */
function rejection(error: unknown): unknown {
  if (error instanceof RuntimeRejection) return error
  const message = error instanceof Error ? error.message : String(error)
  return new RuntimeRejection('runtime_unavailable', message, { cause: error })
}

const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
