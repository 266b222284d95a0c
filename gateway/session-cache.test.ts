import { expect, test } from 'vitest'
import { HubError } from '../core/index.ts'
import { sessionCache } from './session-cache.ts'

const session = { sessionId: 'ses_1', runId: 'run_1', agentId: 'agt_1', model: null }

/** A cache over a hub where `live` says which tokens are good, on a clock of its own. */
function setUp() {
  const world = { live: new Set(['a', 'b']), asked: [] as string[], now: 0 }
  const cache = sessionCache(
    async (token) => {
      world.asked.push(token)
      if (!world.live.has(token)) throw new HubError('unauthenticated', 'Not known.')
      return session
    },
    () => world.now,
  )
  return { world, cache }
}

test('a token is asked for once in two seconds, calls at the same time included', async () => {
  const { world, cache } = setUp()
  await Promise.all([cache('a'), cache('a')])
  world.now = 1_999
  await cache('a')
  expect(world.asked).toEqual(['a'])
  await cache('b')
  world.now = 2_000
  await cache('a')
  expect(world.asked).toEqual(['a', 'b', 'a'])
})

test('a token that is dead is refused two seconds later at the latest', async () => {
  const { world, cache } = setUp()
  await cache('a')
  world.live.delete('a')
  world.now = 2_000
  await expect(cache('a')).rejects.toThrow('Not known.')
})

test('a refusal is not kept', async () => {
  const { world, cache } = setUp()
  await expect(cache('c')).rejects.toThrow('Not known.')
  world.live.add('c')
  await expect(cache('c')).resolves.toEqual(session)
})
