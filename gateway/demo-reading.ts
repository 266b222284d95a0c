/** What the demo model says about a tool's result: taken from the result, never made up. */
import { extname } from 'node:path'
import { parse } from 'yaml'
import type { DemoCall, DemoToolKind } from './demo-tools.ts'

const MAX_LINES = 40
const MAX_NAMES = 30

/** A few sentences on one result. `kind` is null for a tool that the rules don't know; `named` are the files that the prompt names. */
export function describeResult(kind: DemoToolKind | null, call: DemoCall, result: string, named: string[]): string {
  const given = Object.values(call.arguments).find((value) => typeof value === 'string') ?? ''
  // Harnesses make paths absolute; people are told the path that they know.
  const target = named.find((file) => given.endsWith(`/${file}`)) ?? given
  switch (kind) {
    case 'read':
      return describeRead(target, result)
    case 'list':
    case 'glob':
      return describeEntries(target, result)
    case 'run':
      return result.trim() ? `\`${target}\` printed:\n\n${fenced(result)}` : `\`${target}\` ran and printed nothing.`
    case 'ask':
      return `You answered: ${result.trim()}`
    case 'write':
    case null:
      return `The tool ${call.name} said:\n\n${fenced(result)}`
  }
}

function describeRead(file: string, result: string): string {
  const entries = /<entries>\n?([\s\S]*?)<\/entries>/.exec(result)?.[1]
  if (entries !== undefined) return describeEntries(file, entries.replace(/\n\(\d+ entries\)\s*$/, ''))
  const tagged = /<content>\n?([\s\S]*)<\/content>/.exec(result)?.[1]
  if (tagged === undefined && /^.{0,300}$/s.test(result) && FAILED.test(result)) {
    return `I could not read ${file}: ${result.trim()}`
  }
  return describeFile(file, tagged ?? result)
}

const FAILED = /not found|no such file|denied|rejected|outside|blocked|not allowed|^error/i

function describeEntries(folder: string, text: string): string {
  const names = text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
  if (names.length === 0) return `There is nothing in ${folder}.`
  if (names.length === 1 && /failed|not found|denied|no files/i.test(names[0]!))
    return `I could not list ${folder}: ${names[0]}`
  const more = names.length > MAX_NAMES ? `\n- and ${names.length - MAX_NAMES} more` : ''
  return `${count(names.length, 'entry', 'entries')}:\n${names
    .slice(0, MAX_NAMES)
    .map((name) => `- ${name}`)
    .join('\n')}${more}`
}

function describeFile(file: string, text: string): string {
  const { lines, total, cut } = linesOf(text)
  const size = `${cut ? 'more than ' : ''}${count(total, 'line')}`
  const about = describeContent(file, lines.join('\n'))
  return `I read ${file}: ${size}.${about ? `\n\n${about}` : ''}`
}

/** The file's own lines: tools put a number before each and remarks on the end. */
function linesOf(text: string): { lines: string[]; total: number; cut: boolean } {
  const numbered = /^\s*\d+(?:: ?|\t|\| ?)(.*)$/
  const all = text.replace(/\n$/, '').split('\n')
  const body = all.filter((line) => numbered.test(line))
  const remarks = all.filter((line) => !numbered.test(line)).join('\n')
  // Tools number every line; a file whose own lines start with numbers has others too.
  const isNumbered = body.length > 0 && all.slice(0, body.length).every((line) => numbered.test(line))
  const lines = isNumbered ? body.map((line) => numbered.exec(line)?.[1] ?? '') : all
  const told = /total (\d+) lines|of (\d+)\. Use offset/i.exec(remarks)
  const total = Number(told?.[1] ?? told?.[2] ?? lines.length)
  const cut = isNumbered && !told && /more lines|truncated|use offset/i.test(remarks)
  return { lines, total, cut }
}

function describeContent(file: string, text: string): string {
  switch (extname(file).toLowerCase()) {
    case '.yaml':
    case '.yml':
      return describeData('YAML', text, (content) => parse(content, { maxAliasCount: 100, logLevel: 'error' }))
    case '.json':
      return describeData('JSON', text, (content) => JSON.parse(content))
    case '.md':
    case '.mdx':
      return describeMarkdown(text)
    default:
      return firstLine(text)
  }
}

function firstLine(text: string): string {
  const first = text.split('\n').find((line) => line.trim())
  return first ? `It starts with: ${first.trim().slice(0, 200)}` : 'It is empty.'
}

function describeMarkdown(text: string): string {
  // Not what looks like a heading inside a code block.
  const prose = text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '')
  const headings = [...prose.matchAll(/^(#{1,6}) +(.+?)#*\s*$/gm)].map(
    ([, marks = '', title = '']) => `${'  '.repeat(marks.length - 1)}- ${title.trim()}`,
  )
  if (headings.length === 0) return firstLine(text)
  return `Its headings:\n${headings.slice(0, MAX_NAMES).join('\n')}`
}

function describeData(format: string, text: string, read: (content: string) => unknown): string {
  let data: unknown
  try {
    data = read(text)
  } catch (error) {
    return `It is not valid ${format}: ${error instanceof Error ? error.message.split('\n')[0] : 'it cannot be parsed'}`
  }
  if (Array.isArray(data)) return `It is a list of ${count(data.length, 'entry', 'entries')}.`
  if (typeof data !== 'object' || data === null) return `It holds one value: ${String(data).slice(0, 200)}`
  const agents = 'agents' in data ? agentsIn(data.agents) : []
  const keys = `Its top-level keys: ${Object.keys(data).join(', ')}.`
  if (agents.length === 0) return keys
  return `${keys}\n\nIt declares ${count(agents.length, 'agent')}:\n${agents.map(({ name, description }) => `- ${name}${description ? `: ${description}` : ''}`).join('\n')}`
}

/** Agents as a mapping from name to definition, or as a list of definitions with a name. */
function agentsIn(agents: unknown): { name: string; description: string }[] {
  if (typeof agents !== 'object' || agents === null) return []
  const named = Array.isArray(agents)
    ? agents.map((agent) => [textOf(agent, 'name'), agent] as const)
    : Object.entries(agents)
  return named
    .filter(([name]) => name)
    .map(([name, agent]) => ({ name, description: textOf(agent, 'description').trim() }))
}

function textOf(value: unknown, key: string): string {
  if (typeof value !== 'object' || value === null || !(key in value)) return ''
  // `key in value` holds just above.
  const found = (value as Record<string, unknown>)[key]
  return typeof found === 'string' ? found : ''
}

function fenced(text: string): string {
  const lines = text.replace(/\s+$/, '').split('\n')
  const more = lines.length > MAX_LINES ? `\n(${lines.length - MAX_LINES} more lines)` : ''
  return `\`\`\`\n${lines.slice(0, MAX_LINES).join('\n')}\n\`\`\`${more}`
}

const count = (amount: number, one: string, many = `${one}s`) => `${amount} ${amount === 1 ? one : many}`
