/** What zod can't see: names that must lead somewhere, settings of a kind of runtime, cron lines, secrets in plain text. */
import type { RuntimeKind } from '../ports.ts'
import type { Scrubber } from '../secrets/scrubber.ts'
import type { AgentDefinition, RuntimeDefinition, ScheduleDefinition } from '../shapes.ts'
import { checkCron } from '../work/cron.ts'
import type { Path } from './document.ts'
import { explainIssues, type Said } from './issues.ts'
import { nearest } from './nearest.ts'

export type Known = { runtimes: readonly string[]; agents: readonly string[]; teams: readonly string[] }
export type KnownKind = Pick<RuntimeKind, 'kind' | 'settings'> & { builtIn?: string }

/** What is declared, as far as it could be read. */
export type Declarations = {
  teams: Record<string, unknown>
  runtimes: Record<string, Partial<RuntimeDefinition>>
  agents: Record<string, Partial<AgentDefinition>>
  schedules: Record<string, Partial<ScheduleDefinition>>
}

/**
 * `kinds` null: not known here, so neither kinds nor settings are checked. `existing` null: what a name might lead to beside the
 * file is not known, so only names that look like a slip of a declared one are told.
 */
export function checkReferences(
  config: Declarations,
  kinds: readonly KnownKind[] | null,
  existing: Partial<Known> | null,
): Said[] {
  const builtIn = (kinds ?? []).flatMap((kind) => kind.builtIn ?? [])
  const runtimes = names(config.runtimes, existing?.runtimes, builtIn)
  const agents = names(config.agents, existing?.agents)
  const teams = names(config.teams, existing?.teams)
  const kindNames = (kinds ?? []).map(({ kind }) => kind)
  const said: Said[] = []

  function mustExist(path: Path, word: string, name: string | undefined, known: readonly string[]): void {
    if (name === undefined || known.includes(name)) return
    const meant = nearest(name, known)
    if (!meant && existing === null && word !== 'runtime kind') return
    const there = known.length > 0 ? `There is: ${known.slice(0, 20).join(', ')}.` : `Declare it under \`${word}s\`.`
    said.push({
      path: [...path],
      part: 'value',
      message: `There is no ${word} "${name}".`,
      hint: meant ? `Did you mean "${meant}"?` : there,
    })
  }

  for (const [name, { kind, settings, team }] of Object.entries(config.runtimes)) {
    const known = kinds?.find((one) => one.kind === kind)
    if (known) {
      const parsed = known.settings.safeParse(settings)
      if (!parsed.success)
        said.push(...explainIssues(known.settings, settings, parsed.error.issues, ['runtimes', name, 'settings']))
    } else if (kinds) mustExist(['runtimes', name, 'kind'], 'runtime kind', kind, kindNames)
    mustExist(['runtimes', name, 'team'], 'team', team, teams)
  }
  for (const [name, { runtime, team }] of Object.entries(config.agents)) {
    const path = ['agents', name, 'runtime']
    if (typeof runtime === 'string') mustExist(path, 'runtime', runtime, runtimes)
    else {
      for (const [index, one] of (runtime?.any ?? []).entries())
        mustExist([...path, 'any', index], 'runtime', one, runtimes)
      if (kinds) mustExist([...path, 'kind'], 'runtime kind', runtime?.kind, kindNames)
    }
    mustExist(['agents', name, 'team'], 'team', team, teams)
  }
  for (const [name, { agent, cron, timezone = 'UTC' }] of Object.entries(config.schedules)) {
    mustExist(['schedules', name, 'agent'], 'agent', agent, agents)
    const wrongZone = checkCron('* * * * *', timezone)
    if (wrongZone !== null) {
      const meant = nearest(timezone, Intl.supportedValuesOf('timeZone'))
      const hint = meant ? `Did you mean "${meant}"?` : 'For example UTC, Europe/Berlin or America/New_York.'
      said.push({ path: ['schedules', name, 'timezone'], part: 'value', message: `${wrongZone}.`, hint })
    }
    const wrongCron = cron === undefined ? null : checkCron(cron, 'UTC')
    if (wrongCron !== null) {
      const hint = 'Minute, hour, day of month, month, day of week: "0 9 * * 1-5" is 9:00 from Monday to Friday.'
      said.push({ path: ['schedules', name, 'cron'], part: 'value', message: `${wrongCron}.`, hint })
    }
  }
  return said
}

function names(declared: Record<string, unknown>, ...others: (readonly string[] | undefined)[]): string[] {
  return [...new Set([...Object.keys(declared), ...others.flatMap((more) => more ?? [])])]
}

/** A secret in the file would be in every copy of it. */
export function findSecrets(texts: readonly { path: Path; text: string }[], scrubber: Scrubber): Said[] {
  return texts.flatMap(({ path, text }): Said[] => {
    const key = path.findLast((step) => typeof step === 'string') ?? ''
    const { text: clean, count } = scrubber.scrub(`${key}: ${text}`)
    if (count === 0) return []
    const kind = /\[REDACTED:([^\]]+)\]/.exec(clean)?.[1]?.replaceAll('_', ' ') ?? 'secret'
    const variable = /^[A-Za-z_]\w*$/.test(key) ? key.toUpperCase() : 'NAME'
    const takesReference = path[0] === 'agents' ? path[2] === 'env' : path[0] === 'runtimes'
    const hint = takesReference
      ? `Put it into the environment of the hub and write {secret: env:${variable}} here.`
      : 'Take it out of the file, and make a new one where it came from.'
    return [{ path: [...path], part: 'value', message: `"${key}" looks like a secret (${kind}) in plain text.`, hint }]
  })
}

/** What the database would refuse to keep, and say no line of. */
export function findUnstorable(texts: readonly { path: Path; text: string }[]): Said[] {
  return texts
    .filter(({ text }) => text.includes('\0') || !text.isWellFormed())
    .map(({ path }) => ({
      path: [...path],
      part: 'value' as const,
      message: `"${path.at(-1)}" holds NUL (U+0000) or half of a surrogate pair.`,
      hint: 'Take the character out: text cannot hold it.',
    }))
}
