/** Of the contract of runtimes: what is said to a run at work. */
import assert from 'node:assert/strict'
import { HubError, type Ref, type RuntimeInterrupt } from '../../core/index.ts'
import { assertSays, type Context, isOver, nothingTold, stored } from '../runtime-trial.ts'

export async function interruptIsAnswered(context: Context) {
  const { ref, interrupt, told } = await untilAsked(context)
  const option = interrupt.options.find(({ kind }) => kind.startsWith('allow')) ?? interrupt.options[0]
  assert.ok(option, 'an interrupt has options')
  const current = await answer(context, ref, interrupt, option)
  const end = await context.follow(current, told)
  assert.equal(end.status, 'succeeded')
  assertSays(told, end.output)
}

export async function interruptIsRejected(context: Context) {
  const { ref, interrupt, told } = await untilAsked(context)
  const option = interrupt.options.find(({ kind }) => kind.startsWith('reject'))
  assert.ok(option, 'a permission can be rejected')
  const end = await context.follow(await answer(context, ref, interrupt, option), told)
  assert.ok(isOver(end) && end.status !== 'unknown', `the run is ${end.status}`)
}

export async function steerReachesTheRun({ runtime, begin, becomes, within, io, follow, prompts }: Context) {
  const { ref } = await begin(prompts.steers ?? prompts.lasts)
  await becomes(ref, 'running')
  const { result } = await within(runtime.send(ref, { type: 'steer', text: 'tangerine' }, io()), 'steer')
  assert.notEqual(result, 'already_terminal', 'the run was at work')
  if (prompts.steers === undefined) return
  const end = await follow(ref)
  assert.match(end.output ?? '', /tangerine/)
}

export async function refusesWhatItCannot({ runtime, begin, becomes, within, io, capabilities, prompts }: Context) {
  const { ref } = await begin(prompts.lasts)
  await becomes(ref, 'running')
  const option = { id: 'yes', label: 'Yes', kind: 'allow_once' } as const
  const refused = [
    ...(capabilities.steer ? [] : [{ type: 'steer', text: 'to the left' } as const]),
    ...(capabilities.interrupts.length > 0 ? [] : [{ type: 'answer', interruptId: 'none', option } as const]),
    ...(capabilities.cancel !== 'none' ? [] : [{ type: 'cancel', reason: 'the check says so' } as const]),
  ]
  for (const message of refused) {
    await assert.rejects(
      within(runtime.send(ref, message, io()), message.type),
      (error) => error instanceof HubError && error.code === 'runtime_cannot',
      `${message.type} was not refused`,
    )
  }
}

async function untilAsked({ begin, listen, status, prompts, capabilities }: Context) {
  assert.ok(prompts.asks, 'interrupts are declared: give prompts.asks')
  const { ref } = await begin(prompts.asks)
  const told = nothingTold()
  assert.equal(await listen(ref, told, ({ type }) => type === 'interrupt'), 'enough', 'no interrupt came')
  const [interrupt] = told.interrupts
  assert.ok(interrupt)
  assert.ok(capabilities.interrupts.includes(interrupt.kind), `interrupts of kind ${interrupt.kind} are not declared`)
  const waiting = await status(ref)
  assert.equal(waiting.status, 'awaiting_input')
  assert.ok(
    waiting.interrupts?.some(({ id }) => id === interrupt.id),
    'status tells the interrupt under the id that the stream told',
  )
  return { ref, interrupt, told }
}

async function answer(
  { runtime, within, io }: Context,
  ref: Ref,
  { id }: RuntimeInterrupt,
  option: RuntimeInterrupt['options'][number],
): Promise<Ref> {
  const sent = await within(runtime.send(ref, { type: 'answer', interruptId: id, option }, io()), 'answer')
  assert.notEqual(sent.result, 'already_terminal', 'the run waited for the answer')
  return sent.ref ? stored(sent.ref) : ref
}
