import { afterEach, expect, test } from 'vitest'
import { onInterrupt } from './interrupt.ts'

let end = (): void => {}
afterEach(() => end())

test('a key press that npm passes on a second time counts once, a later one again', () => {
  const heard: number[] = []
  let now = 0
  end = onInterrupt((times) => heard.push(times), { now: () => now })
  for (const at of [0, 5, 80, 250, 450, 500]) {
    now = at
    process.emit('SIGINT', 'SIGINT')
  }
  expect(heard).toEqual([1, 2])
})

test('it hears the signals it is told, until it is ended', () => {
  const heard: NodeJS.Signals[] = []
  end = onInterrupt((_, signal) => heard.push(signal), { signals: ['SIGINT', 'SIGTERM'] })
  process.emit('SIGTERM', 'SIGTERM')
  end()
  expect(process.listenerCount('SIGTERM')).toBe(0)
  expect(heard).toEqual(['SIGTERM'])
})
