/** One measured figure. What it is compared with was measured in the same run, on the same machine. */
export type Line = {
  /** What is measured, in words that a reader of the table understands. */
  name: string
  value: number
  /** `ms`, `MB`, `events/s`, ... */
  unit: string
  /** The same with nothing of ours in between, or by the usual other way; in the same unit. */
  baseline?: { name: string; value: number }
  /** Ours over the baseline, or the other way round where more is better: said in the name of the baseline's row. */
  ratio?: number
  /** What we want it to be: `<= 25`, `>= 1000`. Shown as met or missed, never a failure: machines differ. */
  goal?: string
}

/** Where the hub of a measurement keeps its data: `databaseUrl` null is PGlite in a folder. */
export type Place = { name: 'PGlite' | 'Postgres'; databaseUrl: string | null }

/**
 * A module of this folder exports one of these as `bench`. With `places` it is run once for each place; else once, with PGlite.
 * It takes care of its own processes and folders: when it returns or throws, they are gone.
 */
export type Bench = {
  name: string
  places?: true
  run(place: Place): Promise<Line[]>
}

/** The value below which the share `quantile` (0 to 1) of the samples lies. Throws without samples. */
export function quantile(samples: readonly number[], quantile: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))]
  if (value === undefined) throw new Error('no samples')
  return value
}
