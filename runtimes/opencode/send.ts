import { randomUUID } from 'node:crypto'
import type { Answer, Cancel, Ref, RuntimeIO, Steer } from '../../core/index.ts'
import { OpencodeError } from './client.ts'
import { factsOf } from './follow.ts'
import { fromRef, type Harness, type OpencodeRef } from './harness.ts'
import { messageIdFor } from './message-id.ts'
import { ownMessages } from './outcome.ts'
import { storePrompt } from './start.ts'
import { answersTo } from './translate.ts'

type Sent = { result: 'accepted' | 'done' | 'already_terminal' }

export async function sendToRun(
  harness: Harness,
  given: Ref,
  message: Answer | Steer | Cancel,
  { signal }: RuntimeIO,
): Promise<Sent> {
  const ref = fromRef(given)
  switch (message.type) {
    case 'answer':
      return await answer(harness, ref, message, signal)
    case 'steer':
      return await steer(harness, ref, message, signal)
    case 'cancel':
      return await cancel(harness, ref, signal)
  }
}

async function answer({ client, folderOf }: Harness, ref: OpencodeRef, given: Answer, signal: AbortSignal) {
  const { workspace } = folderOf(ref.hubSession)
  const { interruptId, option, text, note } = given
  try {
    if (interruptId.startsWith('per_')) {
      const rejected = option.kind === 'reject_once' || option.kind === 'reject_always'
      const reply = rejected ? 'reject' : option.kind === 'allow_always' ? 'always' : 'once'
      // Without words OpenCode takes a rejection for the end of the run.
      const words = rejected ? { message: note ?? 'A person did not allow this.' } : {}
      await client.replyPermission(workspace, interruptId, { reply, ...words }, signal)
      return done
    }
    if (option.kind !== 'answer') {
      await client.rejectQuestion(workspace, interruptId, signal)
      return done
    }
    const request = (await client.questions(workspace, signal)).find(({ id }) => id === interruptId)
    if (!request) return over
    const words = text ?? (option.id === 'answer' ? (note ?? '') : undefined)
    const answers = answersTo(request, words === undefined ? { label: option.label } : { text: words })
    await client.replyQuestion(workspace, interruptId, answers, signal)
    return done
  } catch (error) {
    // Answered before, or gone with the server that asked.
    if (error instanceof OpencodeError && error.status === 404) return over
    throw error
  }
}

async function steer(harness: Harness, ref: OpencodeRef, { text }: Steer, signal: AbortSignal): Promise<Sent> {
  const { busy, messages } = await factsOf(harness, ref, signal)
  if (!busy || messages === null) return over
  // The loop at work takes it up with its next step; if that was the last, `status` sets it going again.
  await storePrompt(harness, ref, messageIdFor('steer', randomUUID()), text, signal)
  return { result: 'accepted' }
}

async function cancel(harness: Harness, ref: OpencodeRef, signal: AbortSignal): Promise<Sent> {
  await harness.folderOf(ref.hubSession).noteCancelled(ref.prompt)
  const { busy, messages, session } = await factsOf(harness, ref, signal)
  // A later run of the session is not to be stopped with this one.
  if (session === null || messages === null || !busy || ownMessages(messages).length < messages.length) return over
  await harness.client.abort(session, signal)
  return done
}

const done: Sent = { result: 'done' }
const over: Sent = { result: 'already_terminal' }
