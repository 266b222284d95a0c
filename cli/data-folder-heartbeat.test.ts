import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { claimByHeartbeat } from './data-folder-heartbeat.ts'

let folder: string
const given: (() => void)[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-claim-'))
})
afterEach(() => {
  for (const giveUp of given.splice(0)) giveUp()
  rmSync(folder, { recursive: true, force: true })
})

async function claim(place: string): Promise<string> {
  const claimed = await claimByHeartbeat(folder, { place, everyMs: 20, patienceMs: 500 })
  if (typeof claimed !== 'function') return `held by ${claimed.heldBy}`
  given.push(claimed)
  return readFileSync(join(folder, 'claim'), 'utf8')
}

test('a holder elsewhere that lives keeps it', async () => {
  expect(await claim('one boot net:1')).toBe('one boot net:1')
  expect(await claim('two boot net:2')).toBe('held by one')
  expect(readdirSync(folder)).toEqual(['claim'])
})

test('one elsewhere that shows no life is followed, after it was watched', async () => {
  writeFileSync(join(folder, 'claim'), 'dead boot net:1')
  expect(await claim('two boot net:2')).toBe('two boot net:2')
})

test('one of this place is followed at once: the lock of this place has told that it is dead', async () => {
  writeFileSync(join(folder, 'claim'), 'here boot net:1')
  const claimed = await claimByHeartbeat(folder, { place: 'here boot net:1', everyMs: 20, patienceMs: 3_600_000 })
  if (typeof claimed === 'function') given.push(claimed)
  expect(claimed).toBeTypeOf('function')
})

test('what was given up is free at once', async () => {
  await claim('one boot net:1')
  given.pop()?.()
  expect(await claim('two boot net:2')).toBe('two boot net:2')
})

test('of many that follow a dead one, one gets it', async () => {
  writeFileSync(join(folder, 'claim'), 'dead boot net:0')
  const results = await Promise.all(['a', 'b', 'c', 'd'].map((name) => claim(`${name} boot net:${name}`)))
  expect(results.filter((result) => result.startsWith('held by'))).toHaveLength(3)
})
