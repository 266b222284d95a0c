import { expect, test } from 'vitest'
import { type Line, quantile } from './line.ts'
import { toText, verdict, withFigures } from './report.ts'

const line: Line = {
  name: 'request to event',
  value: 12.345,
  unit: 'ms',
  baseline: { name: 'plain hono', value: 4 },
  ratio: 3.086,
  goal: '<= 25',
}
const machine = {
  cores: 2,
  processor: 'x',
  memoryGiB: 24,
  freeGiB: 20,
  node: 'v20.20.2',
  load: 0.5,
  date: '2026-01-02',
  version: '0.1.0',
}

test('a figure is one line with what it is compared with', () => {
  expect(toText(line)).toBe('request to event: 12.3 ms; baseline (plain hono) 4 ms; 3.09 x; goal <= 25: met')
  expect(toText({ name: 'events', value: 12_345.6, unit: 'events/s' })).toBe('events: 12,346 events/s')
})

test.each([
  ['<= 25', 25, 'met'],
  ['<= 25', 25.1, 'missed'],
  ['>= 1,000', 1000, 'met'],
  ['>= 1,000', 999, 'missed'],
] as const)('a goal of %s is, at %d, %s', (goal, value, expected) => {
  expect(verdict({ name: 'x', unit: 'ms', value, goal })).toBe(expected)
})

test('a goal that cannot be read is an error, not met', () => {
  expect(() => verdict({ name: 'x', unit: 'ms', value: 1, goal: 'fast' })).toThrow('cannot read the goal "fast"')
})

test('the figures of a page are replaced, the rest of it stays', () => {
  const page = 'before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n'
  const next = withFigures(page, [{ title: 'Speed', lines: [line] }], machine)
  expect(next).toMatch(
    /^before\n<!-- figures -->\n\nSignalbox 0\.1\.0, 2026-01-02: 2 cores \(x\), 24 GiB, Node 20\.20\.2/,
  )
  expect(next).toContain('| request to event | 12.3 ms | 4 ms: plain hono | 3.09 | <= 25: met |')
  expect(next).toMatch(/<!-- \/figures -->\nafter\n$/)
  expect(next).not.toContain('old')
  expect(withFigures(next, [{ title: 'Speed', lines: [line] }], machine)).toBe(next)
  expect(() => withFigures('nothing', [], machine)).toThrow('has no <!-- figures -->')
})

test('a quantile is a sample', () => {
  expect([quantile([3, 1, 2], 0.5), quantile([3, 1, 2], 0.99), quantile([5], 0.5)]).toEqual([2, 3, 5])
  expect(() => quantile([], 0.5)).toThrow('no samples')
})
