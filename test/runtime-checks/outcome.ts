/** Of the contract of runtimes: how runs end and what is left of them. */
import assert from 'node:assert/strict'
import { assertSays, type Context, nothingTold } from '../runtime-trial.ts'

export async function endIsFinal({ begin, follow, listen, status, prompts }: Context) {
  const { ref } = await begin(prompts.succeeds)
  const end = await follow(ref)
  assert.equal(end.status, 'succeeded')
  assert.equal(end.error, undefined, 'a success has no error')
  // A stream of a run that is over ends too, instead of waiting for what will never come.
  await listen(ref, nothingTold())
  const later = await status(ref)
  assert.deepEqual([later.status, later.output], [end.status, end.output], 'an outcome does not change')
}

export async function failureIsFailed({ begin, follow, prompts }: Context) {
  const { status, error } = await follow((await begin(prompts.fails)).ref)
  assert.equal(status, 'failed')
  assert.ok(error?.code, 'a failure has a code')
  assert.ok(error.message.trim(), 'a failure says why')
}

export async function cancelCancels({
  runtime,
  begin,
  becomes,
  listen,
  status,
  within,
  io,
  capabilities,
  prompts,
}: Context) {
  const { ref } = await begin(prompts.lasts)
  await becomes(ref, 'running')
  const stream = listen(ref, nothingTold())
  // It is waited for below; what fails before that is what is to be told.
  stream.catch(() => {})
  const cancel = { type: 'cancel', reason: 'the check says so' } as const
  const { result, ref: moved } = await within(runtime.send(ref, cancel, io()), 'cancel')
  assert.notEqual(result, 'already_terminal', 'the run was at work')
  const current = moved ?? ref
  if (capabilities.cancel === 'sync')
    assert.equal((await status(current)).status, 'cancelled', 'a synchronous cancel is done when it returns')
  await becomes(current, 'cancelled')
  assert.notEqual(await stream, 'enough')
  const again = await within(runtime.send(current, cancel, io()), 'the second cancel')
  assert.equal(again.result, 'already_terminal')
  assert.equal((await status(current)).status, 'cancelled')
}

export async function sessionGoesOn({ begin, follow, prompts }: Context) {
  const { first, second, says } = prompts.recalls ?? { first: prompts.succeeds, second: prompts.succeeds, says: '' }
  const one = await begin(first)
  assert.equal((await follow(one.ref)).status, 'succeeded')
  const two = await begin(second, { sessionId: one.turn.sessionId, previous: one.ref })
  const told = nothingTold()
  const end = await follow(two.ref, told)
  assert.equal(end.status, 'succeeded')
  assertSays(told, end.output)
  assert.ok((end.output ?? '').includes(says), `the second run does not know of the first: ${end.output}`)
}

export async function usageNeverFalls({ begin, follow, status, prompts }: Context) {
  const { ref } = await begin(prompts.succeeds)
  const told = nothingTold()
  const end = await follow(ref, told)
  const later = await status(ref)
  const reports = [...told.usage, end.usage ?? {}, later.usage ?? {}]
  for (const counter of ['input_tokens', 'output_tokens', 'model_calls', 'cost_micro_usd'] as const) {
    const values = reports.flatMap((report) => report[counter] ?? [])
    assert.deepEqual(
      values,
      [...values].sort((a, b) => a - b),
      `${counter} fell: ${values.join(', ')}`,
    )
  }
  assert.ok(
    (later.usage?.input_tokens ?? 0) + (later.usage?.output_tokens ?? 0) > 0,
    'usage is declared, and a run that is over has none',
  )
}
