import { readFileSync } from 'node:fs'
import { cpus, freemem, loadavg, totalmem } from 'node:os'

/** What the figures were measured on: without it they say nothing. */
export type Machine = {
  cores: number
  processor: string
  memoryGiB: number
  freeGiB: number
  node: string
  load: number
  date: string
  version: string
}

export function readMachine(now = new Date()): Machine {
  // Of this package; its shape is npm's.
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    freeGiB: Math.round(freemem() / 2 ** 30),
    node: process.version,
    load: Math.round(loadavg()[0]! * 10) / 10,
    date: now.toISOString().slice(0, 10),
    version,
  }
}
