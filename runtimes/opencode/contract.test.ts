import { afterAll } from 'vitest'
import type { RuntimeKind } from '../../core/index.ts'
import { type Script, startScriptedModel } from '../../test/inline/scripted-model.ts'
import { runtimeContract } from '../contract.ts'
import { opencode } from './opencode.ts'

const model = await startScriptedModel()
afterAll(() => model.stop())

/** Which session token each run called the model with: how often its work was begun is how often that one called. */
const tokens = new Map<string, string>()
const counted: RuntimeKind<typeof opencode.settings> = {
  ...opencode,
  async open(settings, host) {
    const runtime = await opencode.open(settings, host)
    return {
      ...runtime,
      start(ref, turn, io) {
        tokens.set(turn.runId, turn.modelEndpoint!.token)
        return runtime.start(ref, turn, io)
      },
    }
  },
}

let turns = 0
const script = (given: Script) => JSON.stringify(given)
const words = (count: number) => Array.from({ length: count }, (_, index) => `word${index}`).join(' ')

runtimeContract({
  kind: counted,
  settings: {},
  makeTurn: () => ({
    model: 'scripted/one',
    modelEndpoint: { baseUrl: model.baseUrl, token: `token-${++turns}`, api: 'chat' as const },
    permissions: { todowrite: 'ask' },
  }),
  starts: (runId) => model.calls.filter(({ authorization }) => authorization === `Bearer ${tokens.get(runId)}`).length,
  prompts: {
    succeeds: script({ text: 'hello world' }),
    fails: script({ error: { status: 400, message: 'no luck' } }),
    lasts: script({ text: words(3_000), slow: true }),
    streams: script({ text: words(12), slow: true }),
    asks: script({
      tools: [{ name: 'todowrite', args: { todos: [{ content: 'x', status: 'pending', priority: 'low' }] } }],
      text: 'done',
    }),
    recalls: { first: 'remember tangerine', second: script({ recall: true }), says: 'tangerine' },
    steers: script({ text: words(20), slow: true }),
  },
  expected: { output: 'hello world' },
})
