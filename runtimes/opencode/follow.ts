import {
  isTerminal,
  type Ref,
  type RuntimeEvent,
  type RuntimeInterrupt,
  type RuntimeIO,
  RuntimeRejection,
  type Snapshot,
} from '../../core/index.ts'
import { delay } from './delay.ts'
import { fromRef, type Harness, type OpencodeRef } from './harness.ts'
import { type Facts, judge, ownMessages } from './outcome.ts'
import { setGoing } from './start.ts'
import { callsOf, permissionInterrupt, questionInterrupt, translation } from './translate.ts'

/** How often, and after which pause, the list of what is at work is read once a session has come to rest. */
const IDLE_TRIES = 10
const IDLE_MS = 30
/** After such a silence OpenCode is asked. */
const QUIET_MS = 10_000

/** What OpenCode has of a run and what it is doing in its session. `session` null: it has none. */
export async function factsOf(
  { client, folderOf }: Harness,
  ref: OpencodeRef,
  signal: AbortSignal,
): Promise<Facts & { session: string | null }> {
  const { workspace, isCancelled } = folderOf(ref.hubSession)
  const session = ref.session ?? (await client.sessions(workspace, signal))[0]?.id
  if (session === undefined) return { session: null, messages: null, busy: false, interrupts: [], cancelled: false }
  // The order matters: an answer is stored before its session comes to rest.
  const busy = (await client.busy(workspace, signal)).has(session)
  const messages = await client.messagesFrom(session, ref.prompt, signal)
  const interrupts = busy && messages ? await pending() : []
  return { session, messages, busy, interrupts, cancelled: await isCancelled(ref.prompt) }

  async function pending(): Promise<RuntimeInterrupt[]> {
    const [permissions, questions] = await Promise.all([
      client.permissions(workspace, signal),
      client.questions(workspace, signal),
    ])
    const calls = callsOf(messages ?? [])
    const own = <T extends { sessionID: string }>(all: T[]) => all.filter(({ sessionID }) => sessionID === session)
    return [
      ...own(permissions).map((request) => permissionInterrupt(request, calls)),
      ...own(questions).map((request) => questionInterrupt(request, calls)),
    ]
  }
}

/** The truth about a run; sets a prompt going that was stored and never begun. */
export async function statusOf(harness: Harness, given: Ref, { signal }: RuntimeIO): Promise<Snapshot> {
  const ref = fromRef(given)
  const facts = await factsOf(harness, ref, signal)
  const judged = judge(facts)
  if (judged.status !== 'unanswered') {
    if (judged.status === 'unknown' || isTerminal(judged.status)) forget(harness, facts.session)
    return judged
  }
  // The server ended before it began, or a message came in as the last answer was finished. Nothing of it was done: it is done now.
  const prompt = ownMessages(facts.messages!).findLast(({ info }) => info.role === 'user')!.info.id
  try {
    await setGoing(harness, { ...ref, session: facts.session }, prompt, signal)
  } catch (error) {
    if (!(error instanceof RuntimeRejection)) throw error
    return { status: 'failed', error: { code: 'runtime_failed', message: error.message } }
  }
  return { status: 'running' }
}

function forget({ heard }: Harness, session: string | null): void {
  if (session === null) return
  heard.get(session)?.close()
  heard.delete(session)
}

/** Tells a run as it goes. After a gap it tells from what is stored, so that what a stream has told is complete when it ends. */
export async function* streamOf(harness: Harness, given: Ref, { signal }: RuntimeIO): AsyncGenerator<RuntimeEvent> {
  const { feed, heard } = harness
  const ref = fromRef(given)
  if (ref.session === null) return
  const translate = translation(ref.prompt)
  const fromStart = heard.get(ref.session)
  heard.delete(ref.session)
  const subscription = fromStart ?? (await feed.subscribe(ref.session))
  try {
    if (!fromStart && (yield* retell()) === 'over') return
    for (;;) {
      const next = await subscription.next(signal, QUIET_MS)
      if (signal.aborted) return
      if (next?.type === 'event') {
        yield* translate.live(next.event)
        if (next.event.type === 'session.idle' && (yield* atRest()) === 'over') return
        continue
      }
      if (next?.type === 'gap') translate.lostSight()
      // Events are a hint: the end of a run may go unheard.
      if ((yield* retell()) === 'over') return
    }
  } finally {
    subscription.close()
  }

  async function* retell(): AsyncGenerator<RuntimeEvent, 'over' | 'on'> {
    const { messages, busy, interrupts } = await factsOf(harness, ref, signal)
    if (messages === null) return 'over'
    const own = ownMessages(messages)
    yield* translate.history(own)
    for (const interrupt of interrupts) yield { type: 'interrupt', interrupt }
    return busy && own.length === messages.length ? 'on' : 'over'
  }

  /** The event comes a moment before OpenCode's own list says so; a message at the very end sets the session going again. */
  async function* atRest(): AsyncGenerator<RuntimeEvent, 'over' | 'on'> {
    for (let tries = 0; tries < IDLE_TRIES && !signal.aborted; tries++) {
      if ((yield* retell()) === 'over') return 'over'
      await delay(IDLE_MS)
    }
    return 'on'
  }
}
