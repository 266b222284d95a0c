/** Of the contract of runtimes: what is told, and how it is taken up again. */
import assert from 'node:assert/strict'
import type { Ref, RuntimeEvent } from '../../core/index.ts'
import { assertSays, type Context, isOver, nothingTold, pattern, type Told } from '../runtime-trial.ts'

const LEAVE_MS = 2_000

export async function textJoinsUp(context: Context) {
  const { begin, follow, prompts, subject } = context
  const run = await begin(prompts.succeeds)
  const told = nothingTold()
  const { status, output } = await follow(run.ref, told)
  assert.equal(status, 'succeeded')
  assertSays(told, output)
  if (subject.expected) assert.match(output ?? '', pattern(subject.expected.output))
  if (prompts.streams === undefined) return
  const streamed = nothingTold()
  const end = await follow((await begin(prompts.streams)).ref, streamed)
  assert.equal(end.status, 'succeeded')
  assertSays(streamed, end.output)
}

export async function textComesEarly({ begin, listen, status, prompts }: Context) {
  assert.ok(prompts.streams, 'deltas are declared: give prompts.streams')
  const { ref } = await begin(prompts.streams)
  const told = nothingTold()
  assert.equal(await listen(ref, told, isText), 'enough', 'no text came')
  assert.ok(!isOver(await status(ref)), 'the first text came when the run was over')
}

export async function leavingLeavesTheRun({ runtime, begin, becomes, status, within, io, prompts }: Context) {
  const { ref } = await begin(prompts.lasts)
  await becomes(ref, 'running')
  const leave = new AbortController()
  const reading = (async () => {
    for await (const _ of runtime.stream(ref, io(leave.signal))) if (leave.signal.aborted) return
  })().catch((error: unknown) => {
    // To break by the signal is one way to end by it.
    if (!leave.signal.aborted) throw error
  })
  await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, 200))])
  leave.abort()
  await within(reading, 'leaving the stream', LEAVE_MS)
  assert.equal((await status(ref)).status, 'running', 'the run goes on without a watcher')
}

export async function streamIsTakenUpAgain(context: Context) {
  const { begin, listen, follow, capabilities, prompts } = context
  assert.ok(prompts.streams, 'resume is declared: give prompts.streams')
  const { ref } = await begin(prompts.streams)
  const told = nothingTold()
  assert.equal(await listen(ref, told, isText), 'enough', 'no text came')
  const { cursor } = told
  assert.equal((await follow(ref, told)).status, 'succeeded')
  await assertToldOnce(context, ref, told)
  if (capabilities.resume !== 'cursor') return
  assert.ok(cursor !== undefined, 'resume by cursor is declared, and the text came without one')
  // The run is over: what is told after the cursor is known exactly.
  const tail = { ...nothingTold(), cursor }
  await listen(ref, tail)
  const from = told.events.findIndex((event) => event.cursor === cursor) + 1
  assert.deepEqual(
    tail.events.map(comparable),
    told.events.slice(from).map(comparable),
    'after a cursor comes what came after it',
  )
}

export async function newInstanceGoesOn(context: Context) {
  const { begin, listen, reopen, status, follow, capabilities, prompts } = context
  const { ref } = await begin(prompts.streams ?? prompts.lasts)
  const told = nothingTold()
  const heard = await listen(ref, told, isText)
  const other = await reopen()
  if (capabilities.resume === 'none') {
    // What was lost with the first instance is not made up by the second.
    const { status: known } = await status(ref, other)
    assert.ok(known === 'unknown' || known === (await status(ref)).status, `the run is told as ${known}`)
    return
  }
  assert.ok(prompts.streams, 'resume is declared: give prompts.streams')
  assert.equal(heard, 'enough', 'no text came')
  assert.equal((await follow(ref, told, other)).status, 'succeeded')
  await assertToldOnce(context, ref, told)
}

/** What was told over several streams is what one stream tells of the run from its beginning: same messages, same ids, same text. */
async function assertToldOnce({ listen, status }: Context, ref: Ref, told: Told): Promise<void> {
  const whole = nothingTold()
  await listen(ref, whole)
  assert.deepEqual([...told.messages], [...whole.messages])
  assertSays(whole, (await status(ref)).output)
}

export async function runsDoNotMix({ begin, follow, becomes, status, prompts }: Context) {
  const [lasting, failing, first, second] = await Promise.all([
    begin(prompts.lasts),
    begin(prompts.fails),
    begin(prompts.succeeds),
    begin(prompts.succeeds),
  ])
  await becomes(lasting.ref, 'running')
  const [one, two] = [nothingTold(), nothingTold()]
  const [failed, ...succeeded] = await Promise.all([
    follow(failing.ref),
    follow(first.ref, one),
    follow(second.ref, two),
  ])
  assert.equal(failed.status, 'failed')
  assert.deepEqual(
    succeeded.map(({ status: outcome }) => outcome),
    ['succeeded', 'succeeded'],
  )
  assertSays(one, succeeded[0]?.output)
  assertSays(two, succeeded[1]?.output)
  assert.ok(
    [...one.messages.keys()].every((id) => !two.messages.has(id)),
    'two runs told a message of the same id',
  )
  assert.equal((await status(lasting.ref)).status, 'running')
}

const isText = ({ type }: RuntimeEvent) => type === 'text' || type === 'text_snapshot'

/** What an artifact holds is read by a function of its own each time. */
const comparable = (event: Told['events'][number]) => ({ ...event, ...('read' in event && { read: null }) })
