import { type Ref, type RuntimeIO, RuntimeRejection, type Turn } from '../../core/index.ts'
import { delay } from './delay.ts'
import type { NativeEvent } from './event-feed.ts'
import { fromRef, type Harness, modelOf, type OpencodeRef } from './harness.ts'
import { partIdOf } from './message-id.ts'
import { AGENT } from './session-config.ts'

/** A prompt that was accepted is at work within moments. */
const ACCEPT_MS = 15_000
/** OpenCode is asked whether it began when it says nothing for so long. */
const ASK_MS = 500
/** How long a session may take to come to rest after a stop before the next prompt is given up. */
const REST_MS = 10_000

/**
 * Hands a prompt over: stores it under an id of ours, then sets OpenCode going. Both can be repeated without a second answer. One
 * start at a time in a session, so that a repeat finds what the first has made.
 */
export async function startRun(harness: Harness, given: Ref, turn: Turn, io: RuntimeIO): Promise<OpencodeRef> {
  const { starting } = harness
  const before = starting.get(turn.sessionId) ?? Promise.resolve()
  const own = before.then(() => start(harness, fromRef(given), turn, io))
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

async function start(harness: Harness, given: OpencodeRef, turn: Turn, { signal }: RuntimeIO): Promise<OpencodeRef> {
  const { feed, heard } = harness
  const { ref, text } = await readySession(harness, given, turn, signal).catch((error: unknown) => {
    // Nothing of the prompt has gone out yet.
    throw toRejection(error)
  })
  const session = ref.session!
  heard.get(session)?.close()
  heard.set(session, await feed.subscribe(session))
  await storePrompt(harness, ref, ref.prompt, text, signal)
  await setGoing(harness, ref, ref.prompt, signal)
  return ref
}

/** Makes the session ready for a prompt: its folder, settings and token, and nothing at work in it. */
async function readySession(harness: Harness, ref: OpencodeRef, turn: Turn, signal: AbortSignal) {
  const { client, access } = harness
  if (turn.modelEndpoint === null) {
    const message = 'The hub has no model relay, and the inline harness calls models by it alone.'
    throw new RuntimeRejection('runtime_unavailable', message)
  }
  if (turn.workspace !== null) {
    throw new RuntimeRejection('runtime_rejected', 'The inline harness does not check out repositories.')
  }
  const folder = harness.folderOf(ref.hubSession)
  const { workspace } = folder
  const { changed } = await folder.prepare(turn, { ...turn.modelEndpoint, ...access, model: modelOf(ref) })
  const found = ref.session ?? (await client.sessions(workspace, signal))[0]?.id ?? null
  // A prompt that was stored by an earlier try may be at work already: nothing is cleared out of its way.
  const again = found !== null && (await client.messagesFrom(found, ref.prompt, signal)) !== null
  if (found !== null && !again) await comeToRest(harness, workspace, found, signal)
  if (changed && !again) await client.disposeInstance(workspace, signal)
  const title = `${turn.agent.name} ${turn.sessionId}`
  const session = found ?? (await client.createSession(workspace, title, signal)).id
  const paths = await folder.addFiles(turn.input.files, turn.agent.number)
  return { ref: { ...ref, session }, text: withFiles(turn, paths) }
}

/** Waits until nothing is at work in a session: a run that was stopped may take a moment to wind up. */
async function comeToRest({ client }: Harness, workspace: string, session: string, signal: AbortSignal) {
  const until = Date.now() + REST_MS
  while ((await client.busy(workspace, signal)).has(session)) {
    if (Date.now() > until) {
      throw new RuntimeRejection('runtime_unavailable', 'The session is still at work on something that was stopped.')
    }
    await client.abort(session, signal)
    await delay(100)
  }
}

/** Stores a prompt of a run; whether and when it is answered is up to `setGoing` or the loop at work. */
export async function storePrompt(
  { client }: Harness,
  ref: OpencodeRef,
  messageId: string,
  text: string,
  signal: AbortSignal,
): Promise<void> {
  const prompt = { agent: AGENT, model: modelOf(ref), messageId, partId: partIdOf(messageId), text }
  await client.storePrompt(ref.session!, prompt, signal)
}

/**
 * Returns once OpenCode is at work on a stored prompt or has answered it. A repeat while it works, or afterwards, changes nothing.
 * Throws RuntimeRejection when OpenCode says that it cannot begin.
 */
export async function setGoing(
  { client, feed, folderOf }: Harness,
  ref: OpencodeRef,
  messageId: string,
  signal: AbortSignal,
): Promise<void> {
  const { workspace } = folderOf(ref.hubSession)
  const session = ref.session!
  const subscription = await feed.subscribe(session)
  try {
    await client.answerPrompts(session, { agent: AGENT, model: modelOf(ref), messageId }, signal)
    const until = Date.now() + ACCEPT_MS
    for (;;) {
      const next = await subscription.next(signal, ASK_MS)
      signal.throwIfAborted()
      if (next?.type === 'event') {
        const said = complaint(next.event)
        if (said !== null) throw new RuntimeRejection('runtime_rejected', `OpenCode did not take the prompt: ${said}`)
        if (isAtWork(next.event)) return
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

/** What OpenCode says about a session when it cannot even begin. */
function complaint({ type, properties }: NativeEvent): string | null {
  if (type !== 'session.error') return null
  const error = properties.error as { name?: string; data?: { message?: string } } | undefined // OpenCode's shape
  return error?.data?.message ?? error?.name ?? 'no reason given'
}

/** The rest of an earlier run may still be told, so only work counts. */
function isAtWork({ type, properties }: NativeEvent): boolean {
  if (type !== 'session.status') return false
  const status = properties.status as { type?: string } | undefined // OpenCode's shape
  return status?.type !== 'idle'
}

function withFiles({ input }: Turn, paths: string[]): string {
  if (paths.length === 0) return input.text
  const lines = input.files.map(({ mediaType, bytes }, index) => `- ${paths[index]} (${mediaType}, ${bytes} bytes)`)
  return `${input.text}\n\nFiles that came with this message, in the working directory:\n${lines.join('\n')}`
}

function toRejection(error: unknown): RuntimeRejection {
  if (error instanceof RuntimeRejection) return error
  const message = error instanceof Error ? error.message : String(error)
  return new RuntimeRejection('runtime_unavailable', message, { cause: error })
}
