/** A YAML text as values, with the line and column of each of them. */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml'
import type { Problem } from '../core.ts'

/** Keys and list positions from the top: `['agents', 'reviewer', 'skills', 0]`. */
export type Path = readonly (string | number)[]
export type Position = { line: number | null; column: number | null }

export type ReadDocument = {
  /** Null when the text is not well-formed YAML; duplicate keys are reported and read on. */
  value: unknown
  problems: Problem[]
  /** Where the value (or its key) at a path stands; where it is missing, the nearest thing around it that is there. */
  locate: (path: Path, part: 'key' | 'value') => Position
  /** Every text with its path, keys of maps left out. */
  texts(): { path: Path; text: string }[]
}

const MAX_CHARS = 1024 * 1024
const MAX_ALIASES = 100

export function readDocument(yaml: string): ReadDocument {
  const lines = new LineCounter()
  const at = (offset: number | undefined): Position => {
    if (offset === undefined) return { line: null, column: null }
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  if (yaml.length > MAX_CHARS) {
    const problem = {
      ...at(undefined),
      path: '',
      message: 'The file is larger than 1 MiB.',
      hint: 'Keep long texts out of it.',
    }
    return { value: null, problems: [problem], locate: () => at(undefined), texts: () => [] }
  }
  const document = parseDocument(yaml, { lineCounter: lines, prettyErrors: false, merge: true, logLevel: 'error' })
  const errors = [...document.errors, ...document.warnings]
  const problems = [
    ...errors.map((error) => ({ ...at(error.pos[0]), path: '', ...explain(error, yaml) })),
    ...brokenAliases(document).map(({ node, ...said }) => ({ ...at(node.range?.[0]), path: '', ...said })),
  ]
  const readable = problems.length === 0 || errors.length === problems.length
  const wellFormed = readable && errors.every(({ code }) => code === 'DUPLICATE_KEY')
  return {
    value: wellFormed ? toValue(document, problems) : null,
    problems,
    locate: (path, part) => at(find(document, path, part)?.range?.[0]),
    texts: () => textsOf(document),
  }
}

/** In the place of `null`, which an empty file is too. */
function toValue(document: Document.Parsed, problems: Problem[]): unknown {
  const top = { line: 1, column: 1, path: '' }
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES })
    // Throws for an alias inside of what it stands for, which nothing below could walk through.
    JSON.stringify(value)
    if (value !== null && value !== undefined) return value
    problems.push({
      ...top,
      message: 'The file is empty.',
      hint: 'Declare agents in it; to declare nothing, write `version: 1`.',
    })
  } catch {
    problems.push({
      ...top,
      message: 'Its aliases (`*name`) stand for too much.',
      hint: 'Write out what they stand for.',
    })
  }
  return null
}

const EXPLAINED: { [code in YAMLError['code']]?: { message: string; hint: string } } = {
  TAB_AS_INDENT: { message: 'A tab indents this line.', hint: 'Indent with spaces.' },
  MULTIPLE_DOCS: { message: 'A second document begins here.', hint: 'Remove the line `---`.' },
  BLOCK_AS_IMPLICIT_KEY: {
    message: 'A value on one line holds another `key: value`.',
    hint: 'Put text that holds ": " in quotes, or begin the inner map on a new line.',
  },
}

function explain({ code, message, pos }: YAMLError, yaml: string): { message: string; hint: string } {
  if (code === 'DUPLICATE_KEY') {
    const key = /^[^:\n]*/.exec(yaml.slice(pos[0]))?.[0].trim()
    return { message: `The key "${key}" is there twice.`, hint: 'Keep one of the two.' }
  }
  return (
    EXPLAINED[code] ?? {
      message: `Not valid YAML: ${message.replace(/\.$/, '')}.`,
      hint: 'Check indentation, quotes and brackets here and on the line before.',
    }
  )
}

function brokenAliases(document: Document.Parsed): { node: Node; message: string; hint: string }[] {
  const found: { node: Node; message: string; hint: string }[] = []
  visit(document, {
    Alias(_, node) {
      if (node.resolve(document)) return
      found.push({
        node,
        message: `The alias *${node.source} has no anchor before it.`,
        hint: `Put text that begins with * in quotes, or mark what it stands for with &${node.source}.`,
      })
    },
  })
  return found
}

function find(document: Document.Parsed, path: Path, part: 'key' | 'value'): Node | null {
  let node: unknown = document.contents
  let nearestNode: Node | null = document.contents
  for (const [index, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document)
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step))
      if (!pair) return nearestNode
      // Keys and values of a parsed document are nodes; a value that is not there is null.
      const key = pair.key as Node
      node = pair.value
      const isLast = index === path.length - 1
      nearestNode = isLast && part === 'value' && pair.value ? (pair.value as Node) : key
    } else if (isSeq(node)) {
      node = node.items[Number(step)]
      if (!node) return nearestNode
      nearestNode = node as Node
    } else return nearestNode
  }
  return nearestNode
}

function textsOf(document: Document.Parsed): { path: Path; text: string }[] {
  const found: { path: Path; text: string }[] = []
  function walk(node: unknown, path: Path): void {
    if (isMap(node))
      for (const { key, value } of node.items) walk(value, [...path, String(isScalar(key) ? key.value : key)])
    else if (isSeq(node)) for (const [index, item] of node.items.entries()) walk(item, [...path, index])
    else if (isScalar(node) && typeof node.value === 'string') found.push({ path, text: node.value })
  }
  walk(document.contents, [])
  return found
}
