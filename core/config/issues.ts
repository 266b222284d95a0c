/** What zod found wrong, said for the person who wrote the file. */
import * as z from 'zod'
import { nearest } from './nearest.ts'

export type Said = { path: (string | number)[]; part: 'key' | 'value'; message: string; hint: string }

/** What people write out of habit, and what it is called here. */
const OTHER_WORDS: Record<string, string> = {
  prompt: 'instructions',
  system: 'instructions',
  system_prompt: 'instructions',
  environment: 'env',
  mcp: 'mcp_servers',
  tools: 'permissions',
  schedule: 'cron',
  tz: 'timezone',
  time_zone: 'timezone',
  timeout: 'seconds',
  type: 'kind',
  config: 'settings',
}

/** One entry a mistake, with a hint from the description of the field. `input` is what was parsed, `base` its path. */
export function explainIssues(
  schema: z.ZodType,
  input: unknown,
  issues: readonly z.core.$ZodIssue[],
  base: (string | number)[] = [],
): Said[] {
  return issues.flatMap((issue) => explain(schema, input, issue, base))
}

function explain(schema: z.ZodType, input: unknown, issue: z.core.$ZodIssue, base: (string | number)[]): Said[] {
  const inner = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
  const path = [...base, ...inner]
  const value = valueAt(input, inner)
  const name = path.length > 0 ? `"${path.at(-1)}"` : 'The file'
  const description = describe(schema, inner)
  const say = (message: string, hint = description ?? 'See docs/config.md.'): Said[] => [
    { path, part: 'value', message, hint },
  ]

  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = keysAt(schema, inner)
      return issue.keys.map((key) => ({
        path: [...path, key],
        part: 'key',
        message: `"${key}" is not a key ${path.length ? `of ${path.join('.')}` : 'of this file'}.`,
        hint: keyHint(key, known),
      }))
    }
    case 'invalid_key':
      return [
        {
          path,
          part: 'key',
          message: `${name} ${lower(issue.issues[0]?.message ?? 'is not a name that can be used')}.`,
          hint: 'Rename it, here and where it is named.',
        },
      ]
    case 'invalid_union': {
      const branch = fittingBranch(issue.errors, value)
      if (branch)
        return branch.flatMap((one) => explain(schema, input, { ...one, path: [...issue.path, ...one.path] }, base))
      const expected = issue.errors
        .map((errors) => errors[0])
        .map((first) => (first?.code === 'invalid_type' ? typeName(first.expected) : 'something else'))
      return say(`${name} must be ${[...new Set(expected)].join(' or ')}, not ${nameOf(value)}.`)
    }
    case 'invalid_type':
      if (value === undefined)
        return say(`${name} is missing${path.length > 1 ? ` in ${path.slice(0, -1).join('.')}` : ''}.`)
      return say(
        `${name} must be ${typeName(issue.expected)}, not ${nameOf(value)}.`,
        typeHint(issue.expected, value) ?? description,
      )
    case 'invalid_value': {
      const meant = typeof value === 'string' ? nearest(value, issue.values.map(String)) : null
      return say(
        `${name} must be ${issue.values.map(String).join(' or ')}.`,
        meant ? `Did you mean "${meant}"?` : description,
      )
    }
    case 'too_small':
      return say(
        `${name} must ${size(issue.origin, issue.minimum, issue.inclusive === false ? 'more than' : 'at least')}.`,
      )
    case 'too_big':
      return say(
        `${name} must ${size(issue.origin, issue.maximum, issue.inclusive === false ? 'less than' : 'at most')}.`,
      )
    case 'invalid_format':
    case 'not_multiple_of':
    case 'invalid_element':
    case 'custom':
      return say(`${name} ${lower(issue.message)}.`.replace(/\.+$/, '.'))
  }
}

function keyHint(key: string, known: readonly string[]): string {
  const other = OTHER_WORDS[key.toLowerCase().replaceAll('-', '_')]
  const meant = nearest(key.replaceAll('-', '_'), known) ?? (other && known.includes(other) ? other : null)
  if (meant) return `Did you mean "${meant}"?`
  return known.length > 0 ? `Keys here: ${known.join(', ')}.` : 'Remove it.'
}

/** The branch of a union that takes a value of this type at all. */
function fittingBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
  value: unknown,
): readonly z.core.$ZodIssue[] | null {
  if (value === undefined || value === null) return null
  const fitting = branches.filter(
    (issues) => !issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0),
  )
  return fitting.sort((a, b) => a.length - b.length)[0] ?? null
}

function typeName(expected: string): string {
  switch (expected) {
    case 'string':
      return 'text'
    case 'number':
      return 'a number'
    case 'int':
      return 'a whole number'
    case 'boolean':
      return 'true or false'
    case 'array':
      return 'a list'
    case 'object':
    case 'record':
      return 'a map (key: value)'
    default:
      return `a ${expected}`
  }
}

function nameOf(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'string') return 'text'
  if (typeof value === 'boolean') return 'true or false'
  if (typeof value === 'number') return Number.isInteger(value) ? 'a number' : 'a fraction'
  return 'a map'
}

function typeHint(expected: string, value: unknown): string | undefined {
  if (value === null) return 'Give it a value, or remove the key.'
  if (expected === 'string' && (typeof value === 'number' || typeof value === 'boolean'))
    return `Put it in quotes: "${value}".`
  if (expected === 'array' && typeof value === 'string') return 'Put it in brackets: [...].'
  if (
    (expected === 'number' || expected === 'int') &&
    typeof value === 'string' &&
    value.trim() !== '' &&
    Number.isFinite(Number(value))
  )
    return 'Remove the quotes.'
  return undefined
}

function size(origin: string, limit: number | bigint, word: string): string {
  if (origin === 'string') return `have ${word} ${limit} characters`
  if (origin === 'array' || origin === 'set')
    return `have ${word} ${limit} ${Number(limit) === 1 ? 'entry' : 'entries'}`
  return `be ${word} ${limit}`
}

const lower = (message: string) => message.replace(/^Invalid input: /, '').replace(/^Invalid/, 'is an invalid')

function valueAt(input: unknown, path: (string | number)[]): unknown {
  let value = input
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<string | number, unknown>)[step]
  }
  return value
}

/** The description of a field, from the innermost place that has one. */
function describe(schema: z.ZodType, path: (string | number)[]): string | undefined {
  for (const layer of layersAt(schema, path)) if (layer.description) return layer.description
  return undefined
}

function keysAt(schema: z.ZodType, path: (string | number)[]): string[] {
  return layersAt(schema, path).flatMap((layer) => (layer instanceof z.ZodObject ? Object.keys(layer.shape) : []))
}

/** The schemas at a path: wrappers (optional, default) first, all branches of a union. */
function layersAt(schema: z.ZodType, path: (string | number)[]): z.ZodType[] {
  const layers = unwrap(schema)
  const [step, ...rest] = path
  if (step === undefined) return layers
  return layers.flatMap((layer) => {
    if (layer instanceof z.ZodObject) {
      const field = layer.shape[step]
      return field ? layersAt(field, rest) : []
    }
    // zod types the parts of its own schemas by its core interface; all of them are made by zod itself.
    if (layer instanceof z.ZodRecord) return layersAt(layer.valueType as z.ZodType, rest)
    if (layer instanceof z.ZodArray) return layersAt(layer.element as z.ZodType, rest)
    return []
  })
}

function unwrap(schema: z.ZodType): z.ZodType[] {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodReadonly
  ) {
    return [schema, ...unwrap(schema.unwrap() as z.ZodType)]
  }
  if (schema instanceof z.ZodPipe) return [schema, ...unwrap(schema.in as z.ZodType)]
  if (schema instanceof z.ZodUnion) return [schema, ...schema.options.flatMap((option) => unwrap(option as z.ZodType))]
  return [schema]
}
