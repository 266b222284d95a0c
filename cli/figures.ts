/** Figures as people read them. */

/** Micro-dollars: cents from one dollar up, four digits below; nothing lost in `--json`, which has the integer. */
export function dollars(microUsd: number): string {
  const usd = microUsd / 1_000_000
  return usd === 0 ? '$0' : usd < 1 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`
}

export const count = (number: number): string => number.toLocaleString('en-US')

/** `0.8 s`, `42 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `12 s ago`, `3 min ago`, `5 h ago`, then the date; `in 3 min` for what is ahead. */
export function ago(at: string | null, now = Date.now()): string {
  if (at === null) return '-'
  const ms = now - Date.parse(at)
  const seconds = Math.floor(Math.abs(ms) / 1000)
  const span =
    seconds < 60
      ? `${seconds} s`
      : seconds < 3600
        ? `${Math.floor(seconds / 60)} min`
        : seconds < 86_400
          ? `${Math.floor(seconds / 3600)} h`
          : null
  if (span === null) return at.slice(0, 10)
  return ms < 0 ? `in ${span}` : `${span} ago`
}
