import { expect, test } from 'vitest'
import { ago, dollars, duration } from './figures.ts'

test.each([
  [0, '$0'],
  [1_200, '$0.0012'],
  [999_900, '$0.9999'],
  [1_000_000, '$1.00'],
  [12_345_678, '$12.35'],
])('%i micro-dollars are %s', (microUsd, expected) => {
  expect(dollars(microUsd)).toBe(expected)
})

test.each([
  [40, '0.0 s'],
  [9_940, '9.9 s'],
  [42_400, '42 s'],
  [200_000, '3 min 20 s'],
  [7_500_000, '2 h 5 min'],
])('%i ms are %s', (ms, expected) => {
  expect(duration(ms)).toBe(expected)
})

test.each([
  [null, '-'],
  ['2026-01-01T11:59:48Z', '12 s ago'],
  ['2026-01-01T11:57:00Z', '3 min ago'],
  ['2026-01-01T07:00:00Z', '5 h ago'],
  ['2025-12-01T12:00:00Z', '2025-12-01'],
  ['2026-01-01T12:03:00Z', 'in 3 min'],
])('%s is %s', (at, expected) => {
  expect(ago(at, Date.parse('2026-01-01T12:00:00Z'))).toBe(expected)
})
