/** Of the contract of runtimes: before and at acceptance. */
import assert from 'node:assert/strict'
import { Capabilities, Health } from '../../core/index.ts'
import { type Context, canary, isOver, nothingTold, stored } from '../runtime-trial.ts'

/** Long enough that a runtime that keeps the prompt in its ref is found out. */
const LONG_TEXT = 'much to say '.repeat(1_000)

export async function prepareIsPure({ runtime, turn, begin, follow, prompts, secrets, capabilities }: Context) {
  const given = turn(LONG_TEXT, {
    runId: 'run_one',
    ...(capabilities.config.instructions !== 'none' && { instructions: LONG_TEXT }),
  })
  const first = stored(runtime.prepare(given))
  assert.deepEqual(runtime.prepare(given), first, 'the same turn must give the same ref')
  assert.notDeepEqual(runtime.prepare({ ...given, runId: 'run_two' }), first, 'another run must give another ref')
  const run = await begin(prompts.succeeds)
  await follow(run.ref)
  const tokens = [run.turn.modelEndpoint?.token, run.turn.mcpEndpoint?.token]
  for (const ref of [first, run.prepared, run.ref]) {
    for (const secret of [canary, ...tokens, ...secrets]) {
      if (secret === undefined) continue
      const encodings = [
        secret,
        Buffer.from(secret).toString('base64').replace(/=+$/, ''),
        Buffer.from(secret).toString('hex'),
        encodeURIComponent(secret),
      ]
      for (const found of encodings) assert.ok(!JSON.stringify(ref).includes(found), 'a ref must hold no secret')
    }
  }
}

export async function startReturnsOnAcceptance({ begin, status, prompts }: Context) {
  const { ref } = await begin(prompts.lasts)
  assert.ok(!isOver(await status(ref)), 'start returned when the run was over')
}

export async function runAtWorkIsNotOver({ begin, status, listen, becomes, prompts }: Context) {
  const { ref } = await begin(prompts.lasts)
  const first = await status(ref)
  assert.ok(first.status === 'queued' || first.status === 'running', `a run that was just accepted is ${first.status}`)
  await becomes(ref, 'running')
  const heard = listen(ref, nothingTold(), () => true)
  heard.catch(() => {})
  // It may be a run that says nothing: then some time is enough.
  await Promise.race([heard, new Promise((resolve) => setTimeout(resolve, 300))])
  const later = await status(ref)
  assert.equal(later.status, 'running', `a run at work is ${later.status}`)
  assert.equal(later.error, undefined, 'a run at work has no error')
}

export async function neverStartedIsUnknown({ runtime, turn, status, prompts }: Context) {
  const ref = stored(runtime.prepare(turn(prompts.succeeds)))
  const told = await status(ref).catch((error: unknown) => {
    if (error instanceof assert.AssertionError) throw error
    return null
  })
  if (told) assert.equal(told.status, 'unknown')
}

export async function findTells({ runtime, turn, begin, within, io, prompts }: Context) {
  if (!runtime.find) return
  const never = turn(prompts.succeeds)
  assert.equal(
    await within(runtime.find(stored(runtime.prepare(never)), never, io()), 'find'),
    null,
    'a run that was never sent was found',
  )
  const run = await begin(prompts.lasts)
  const found = await within(runtime.find(run.prepared, run.turn, io()), 'find')
  assert.ok(found, 'a run that was accepted was not found')
  stored(found)
}

export async function startedTwiceIsOne({ runtime, reopen, begin, follow, within, io, prompts, subject }: Context) {
  assert.ok(subject.starts, 'idempotent_start is declared: give `starts`')
  const run = await begin(prompts.streams ?? prompts.succeeds)
  await within(runtime.start(run.prepared, run.turn, io()), 'the second start')
  // As after a crash between the request and its answer.
  const other = await reopen()
  const again = stored(await within(other.start(run.prepared, run.turn, io()), 'the third start'))
  assert.equal((await follow(again, nothingTold(), other)).status, 'succeeded')
  assert.equal(await subject.starts(run.turn.runId), 1, 'the work was begun more than once')
}

export async function healthCanBeRead({ runtime, within, io, subject, capabilities }: Context) {
  const health = Health.parse(await within(runtime.health(io()), 'health'))
  assert.equal(health.status, 'ok', `${health.message} ${health.remedy}`)
  assert.ok(health.checked_at, 'health says when it was read')
  assert.deepEqual(Capabilities.parse(capabilities), capabilities)
  assert.deepEqual(
    subject.kind.capabilities(subject.kind.settings.parse(subject.settings)),
    capabilities,
    'the same settings give the same capabilities',
  )
}
