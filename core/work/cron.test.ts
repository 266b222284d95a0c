import { createTask } from 'node-cron'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { checkCron, missedTimes, nextTimes } from './cron.ts'

const at = (time: string) => new Date(time)
const iso = (times: Date[]) => times.map((time) => time.toISOString().replace('.000Z', 'Z'))

/** What node-cron itself says, with its clock set to `now`. */
function nodeCronTimes(expression: string, timezone: string, now: Date, count: number): Date[] {
  vi.setSystemTime(now)
  const task = createTask(expression, () => {}, { timezone })
  try {
    return task.getNextRuns(count)
  } finally {
    void task.destroy()
  }
}

describe('the next times are those of node-cron', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }))
  afterEach(() => void vi.useRealTimers())

  const expressions = [
    '0 9 * * 1-5',
    '*/15 * * * *',
    '30 2 * * *',
    '0 0 29 2 *',
    '0 0 L * *',
    '0 0 L-3 * *',
    '0 12 15W * *',
    '0 12 LW * *',
    '0 12 1W * *',
    '0 8 * * 5L',
    '0 8 * * mon#1',
    '0 8 * * 7',
    '0 0 1,15 jan,jul *',
    '10 30 4 * * *',
    '*/20 59 23 31 12 *',
    '0 22-2 * * *',
    '@weekly',
    '0 0 13 * fri',
    '5-50/15 */6 ? * ?',
  ]
  const zones = [
    'UTC',
    'Europe/Berlin',
    'America/New_York',
    'Asia/Kolkata',
    'Pacific/Apia',
    'Australia/Lord_Howe',
    'America/St_Johns',
    'Antarctica/Troll',
    'Pacific/Kiritimati',
  ]
  const starts = [
    '2026-01-01T00:00:00Z',
    '2026-03-28T22:17:05.400Z',
    '2026-10-24T22:59:59.999Z',
    '2026-11-01T03:00:00Z',
    '2028-02-28T12:00:00Z',
    '2026-12-31T23:59:59Z',
  ]

  test.each(expressions)('%s', (expression) => {
    for (const zone of zones) {
      for (const start of starts) {
        const ours = iso(nextTimes(expression, zone, at(start), 12))
        expect({ zone, start, times: ours }).toEqual({
          zone,
          start,
          times: iso(nodeCronTimes(expression, zone, at(start), 12)),
        })
      }
    }
  })

  test('every minute and every second across each change of clocks', () => {
    for (const [zone, start] of [
      ['Europe/Berlin', '2026-03-29T00:30:00Z'],
      ['Europe/Berlin', '2026-10-24T23:30:00Z'],
      ['America/New_York', '2026-11-01T04:30:00Z'],
      ['Australia/Lord_Howe', '2026-04-04T14:00:00Z'],
      ['Antarctica/Troll', '2026-03-29T00:00:00Z'],
    ] as const) {
      for (const expression of ['* * * * *', '*/30 * * * * *']) {
        expect(iso(nextTimes(expression, zone, at(start), 250))).toEqual(
          iso(nodeCronTimes(expression, zone, at(start), 250)),
        )
      }
    }
  })
})

describe('change of clocks', () => {
  test('a time that is skipped in spring does not fire that day', () => {
    expect(iso(nextTimes('30 2 * * *', 'Europe/Berlin', at('2026-03-28T00:00:00Z'), 3))).toEqual([
      '2026-03-28T01:30:00Z',
      '2026-03-30T00:30:00Z',
      '2026-03-31T00:30:00Z',
    ])
  })

  test('a time that comes twice in autumn fires once: in Berlin the second time, in New York the first', () => {
    expect(iso(nextTimes('30 2 * * *', 'Europe/Berlin', at('2026-10-24T12:00:00Z'), 2))).toEqual([
      '2026-10-25T01:30:00Z',
      '2026-10-26T01:30:00Z',
    ])
    expect(iso(nextTimes('30 1 * * *', 'America/New_York', at('2026-10-31T12:00:00Z'), 2))).toEqual([
      '2026-11-01T05:30:00Z',
      '2026-11-02T06:30:00Z',
    ])
  })

  test('the times do not depend on where the count begins', () => {
    const all = nextTimes('*/10 * * * *', 'Europe/Berlin', at('2026-10-24T22:00:00Z'), 40)
    for (let minute = 0; minute < 240; minute += 5) {
      const from = new Date(at('2026-10-24T22:00:00Z').getTime() + minute * 60_000)
      expect(nextTimes('*/10 * * * *', 'Europe/Berlin', from, 3)).toEqual(all.filter((time) => time > from).slice(0, 3))
    }
  })
})

describe('missed times', () => {
  test('are those from the first to the last, both included, oldest first', () => {
    expect(iso(missedTimes('0 * * * *', 'UTC', at('2026-01-01T00:00:00Z'), at('2026-01-01T03:00:00Z'), 100))).toEqual([
      '2026-01-01T00:00:00Z',
      '2026-01-01T01:00:00Z',
      '2026-01-01T02:00:00Z',
      '2026-01-01T03:00:00Z',
    ])
    expect(missedTimes('0 * * * *', 'UTC', at('2026-01-01T00:30:00Z'), at('2026-01-01T00:59:59Z'), 100)).toEqual([])
  })

  test('are at most as many as asked for, even when a year was missed', () => {
    const missed = missedTimes(
      '* * * * * *',
      'Europe/Berlin',
      at('2025-01-01T00:00:00Z'),
      at('2026-01-01T00:00:00Z'),
      100,
    )
    expect(missed).toHaveLength(100)
    expect(iso(missed).at(-1)).toBe('2025-01-01T00:01:39Z')
  })
})

describe('checking', () => {
  test.each([
    ['0 9 * * *', 'Europe/Berlin'],
    ['0 0 9 * * *', 'UTC'],
    ['0 0 29 2 1', 'Etc/GMT+5'],
    ['@daily', 'America/Argentina/Buenos_Aires'],
  ])('%s in %s is right', (expression, zone) => {
    expect(checkCron(expression, zone)).toBeNull()
  })

  test.each([
    ['0 9 * *', 'UTC', 'cron "0 9 * *": expected 5 or 6 fields but got 4'],
    ['60 9 * * *', 'UTC', 'cron "60 9 * * *": 60 is not a minute'],
    ['0 25 * * foo', 'UTC', 'cron "0 25 * * foo": 25 is not a hour; foo is not a day of week'],
    ['every day', 'UTC', 'expected 5 or 6 fields'],
    ['0 9 * * *;', 'UTC', 'illegal characters'],
    ['', 'UTC', 'cron ""'],
    ['0 0 31 2 *', 'UTC', 'there is no such day: 31 of that month'],
    ['0 0 30W 2 *', 'UTC', 'never fires'],
    ['0 0 L-30 2 *', 'UTC', 'never fires'],
    ['0 9 * * *', 'Europe/Berln', '"Europe/Berln" is not an IANA time zone'],
    ['0 9 * * *', '+02:00', 'is not an IANA time zone'],
    ['0 9 * * *', '', 'is not an IANA time zone'],
  ])('%s in %s: %s', (expression, zone, message) => {
    expect(checkCron(expression, zone)).toContain(message)
  })

  test('what never fires has no next times', () => {
    expect(nextTimes('0 0 31 2 *', 'UTC', new Date(), 5)).toEqual([])
    expect(nextTimes('* * * 30W 2 *', 'Europe/Berlin', new Date(), 5)).toEqual([])
    expect(nextTimes('nonsense', 'UTC', new Date(), 5)).toEqual([])
    expect(nextTimes('* * * * *', 'UTC', new Date(), 0)).toEqual([])
  })
})
