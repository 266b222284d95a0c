import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestCore, quiet, type TestCore } from '../test/core.ts'
import { createSubscriptions } from './subscriptions.ts'

let hub: TestCore
beforeAll(async () => {
  hub = await openTestCore()
})
afterAll(() => hub.close())

const start = (prompt: string) => hub.core.runs.start(hub.admin, { agent: 'echo', prompt })

test('however much a run says, subscribers hear of it once an interval, and of the end', async () => {
  const everyMs = 200
  const subscriptions = createSubscriptions(hub.core, quiet, everyMs)
  const run = await start(`${'sleep:20 say:more '.repeat(30)}say:end`)
  const heard: number[] = []
  await subscriptions.subscribe(hub.admin, `run://${run.id}/events`, () => heard.push(performance.now()))
  const over = await hub.core.runs.wait(hub.admin, run.id, { seconds: 20 })
  expect(over.status).toBe('succeeded')
  const atEnd = performance.now()
  await expect.poll(() => (heard.at(-1) ?? 0) >= atEnd - everyMs, { timeout: 5_000 }).toBe(true)
  for (const [index, at] of heard.entries())
    if (index > 0) expect(at - heard[index - 1]!).toBeGreaterThanOrEqual(everyMs - 20)
  subscriptions.close()
})

test('a run is watched while somebody is subscribed, and no longer', async () => {
  const subscriptions = createSubscriptions(hub.core, quiet, 10)
  const run = await start('last')
  const heard: string[] = []
  const first = await subscriptions.subscribe(hub.admin, `run://${run.id}`, (uri) => heard.push(`first ${uri}`))
  const second = await subscriptions.subscribe(hub.admin, `run://${run.id}/events`, (uri) =>
    heard.push(`second ${uri}`),
  )
  expect(subscriptions.size()).toBe(1)
  first()
  first()
  expect(subscriptions.size()).toBe(1)
  await hub.core.runs.stop(hub.admin, run.id)
  await expect.poll(() => heard, { timeout: 10_000 }).toContain(`second run://${run.id}/events`)
  expect(heard.some((line) => line.startsWith('first') && line.includes('events'))).toBe(false)
  second()
  expect(subscriptions.size()).toBe(0)
})

test('what is not a run, or not there, is refused and leaves nothing behind', async () => {
  const subscriptions = createSubscriptions(hub.core, quiet)
  for (const uri of ['agent://echo', 'run://', 'run://a/b/c', 'file:///etc/passwd']) {
    await expect(subscriptions.subscribe(hub.admin, uri, () => {})).rejects.toMatchObject({ code: 'not_found' })
  }
  await expect(subscriptions.subscribe(hub.admin, 'run://run_none', () => {})).rejects.toMatchObject({
    code: 'run_not_found',
  })
  expect(subscriptions.size()).toBe(0)
})
