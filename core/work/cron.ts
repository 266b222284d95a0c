/**
 * When a schedule fires. node-cron says what an expression means and checks it, but tells the next times from now only, so
 * the walk over the calendar is here, by node-cron's own rules:
 * - a local time that a change of clocks skips (02:30 in Berlin in spring) does not fire that day;
 * - one that comes twice fires once: in Berlin the second time, in New York the first, as node-cron resolves them. What fires
 *   more often than once an hour therefore pauses for the repeated hour.
 * The times of an expression are the same wherever one starts to count (node-cron itself, asked within the first pass of a
 * repeated hour, leaves out the second).
 */
import { type ParsedFields, validateDetailed } from 'node-cron'

const DAY_MS = 86_400_000
/** As far as node-cron looks. The rarest true schedules (29 February on a Monday, past 2100) come within 40 years. */
const MAX_DAYS = 366 * 100
/** No change of clocks is longer. */
const MAX_SHIFT_MS = 3 * 3_600_000

/** What is wrong with them, in words for people; null when they are right and the schedule fires at least once. */
export function checkCron(expression: string, timezone: string): string | null {
  const zone = checkTimezone(timezone)
  if (zone !== null) return zone
  const { valid, fields, errors } = validateDetailed(expression)
  if (!valid || !fields) return `cron "${expression}": ${errors.map(toMessage).join('; ')}`
  return nextTimes(expression, timezone, new Date(), 1).length === 0 ? `cron "${expression}" never fires` : null
}

/** The next times after `after`, at most `count`, soonest first; none for what never fires or is not valid. */
export function nextTimes(expression: string, timezone: string, after: Date, count: number): Date[] {
  const found: Date[] = []
  if (count < 1) return found
  for (const time of timesAfter(expression, timezone, after.getTime())) {
    if (found.push(time) >= count) break
  }
  return found
}

/** The times from `from` to `to`, both included, at most `max`, oldest first. */
export function missedTimes(expression: string, timezone: string, from: Date, to: Date, max: number): Date[] {
  const found: Date[] = []
  for (const time of timesAfter(expression, timezone, from.getTime() - 1)) {
    if (time > to || found.length >= max) break
    found.push(time)
  }
  return found
}

function toMessage({ field, message, value }: { field: string; message: string; value?: string }): string {
  if (field === 'expression') return message
  if (message.includes('impossible')) return `there is no such day: ${value} of that month`
  return `${value} is not a ${field.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`
}

function checkTimezone(timezone: string): string | null {
  try {
    // Offsets such as +02:00 are taken by some engines; they are no IANA zones and know no summer time.
    if (/^[A-Za-z]/.test(timezone) && new Intl.DateTimeFormat('en-US', { timeZone: timezone })) return null
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
  return `"${timezone}" is not an IANA time zone`
}

function* timesAfter(expression: string, timezone: string, after: number): Generator<Date> {
  const { fields } = validateDetailed(expression)
  if (!fields) return
  const toWall = wallClock(timezone)
  // node-cron's resolution: whole seconds.
  const base = Math.floor(after / 1000) * 1000
  const lowest = toWall(base) - MAX_SHIFT_MS
  const [hours, minutes, seconds] = [fields.hour, fields.minute, fields.second].map((field) =>
    [...field].sort((a, b) => a - b),
  )
  let day = Math.floor(lowest / DAY_MS) * DAY_MS
  for (let i = 0; i < MAX_DAYS; i++, day += DAY_MS) {
    if (!matchesDay(fields, new Date(day))) continue
    for (const hour of hours!) {
      const hourAt = day + hour * 3_600_000
      if (hourAt + 3_600_000 <= lowest) continue
      const steady = steadyOffset(toWall, hourAt)
      for (const minute of minutes!) {
        for (const second of seconds!) {
          const wall = hourAt + minute * 60_000 + second * 1000
          const time = steady === null ? toInstant(toWall, wall) : wall - steady
          if (time !== null && time > base) yield new Date(time)
        }
      }
    }
  }
}

/** Local time, as if it were UTC, of an instant. */
type ToWall = (instant: number) => number

function wallClock(timezone: string): ToWall {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return (instant) => {
    const part = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]))
    return Date.UTC(part.year!, part.month! - 1, part.day, part.hour, part.minute, part.second)
  }
}

/** The offset of the zone when it is the same all around an hour of local time; else each time is looked at by itself. */
function steadyOffset(toWall: ToWall, hourAt: number): number | null {
  const first = toWall(hourAt - DAY_MS) - (hourAt - DAY_MS)
  const last = toWall(hourAt + DAY_MS) - (hourAt + DAY_MS)
  return first === last ? first : null
}

/** node-cron's choice among the instants that a local time may mean; null for a local time that is skipped. */
function toInstant(toWall: ToWall, wall: number): number | null {
  const first = wall - (toWall(wall) - wall)
  if (toWall(first) === wall) return first
  const second = wall - (toWall(first) - first)
  return toWall(second) === wall ? second : null
}

/** `day` is midnight in UTC of a calendar day. */
function matchesDay(fields: ParsedFields, day: Date): boolean {
  const month = day.getUTCMonth() + 1
  return (
    fields.month.includes(month) &&
    fields.dayOfMonth.some((value) => matchesDayOfMonth(value, day)) &&
    fields.dayOfWeek.some((value) => matchesWeekday(value, day))
  )
}

/** A number, `L` (last), `L-3`, `15W` (the weekday nearest to it in the same month), `LW`. */
function matchesDayOfMonth(value: number | string, day: Date): boolean {
  const date = day.getUTCDate()
  if (typeof value === 'number') return value === date
  const last = lastOfMonth(day)
  if (value === 'L') return date === last
  const before = /^L-(\d+)$/.exec(value)
  if (before) return date === last - Number(before[1])
  const near = /^(\d+|L)W$/.exec(value)
  return near !== null && date === nearestWeekday(day, near[1] === 'L' ? last : Number(near[1]))
}

function nearestWeekday(day: Date, target: number): number | null {
  const last = lastOfMonth(day)
  if (target < 1 || target > last) return null
  const weekday = new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), target)).getUTCDay()
  if (weekday === 6) return target === 1 ? 3 : target - 1
  if (weekday === 0) return target === last ? target - 2 : target + 1
  return target
}

/** A number (0 is Sunday), `5L` (the last Friday), `5#2` (the second Friday). */
function matchesWeekday(value: number | string, day: Date): boolean {
  const weekday = day.getUTCDay()
  if (typeof value === 'number') return value === weekday
  const which = /^([0-7])(?:L|#([1-5]))$/i.exec(value)
  if (!which || Number(which[1]) % 7 !== weekday) return false
  const date = day.getUTCDate()
  return which[2] === undefined ? date + 7 > lastOfMonth(day) : Math.ceil(date / 7) === Number(which[2])
}

const lastOfMonth = (day: Date): number =>
  new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 0)).getUTCDate()
