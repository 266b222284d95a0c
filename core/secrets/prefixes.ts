/** Finds the literal prefixes of rules in text that comes character by character (Aho and Corasick's automaton). */
import type { Rule } from './rule-shapes.ts'

export type Prefixes = {
  /** The state after `code`; 0 is the beginning. */
  next(state: number, code: number): number
  /** Rules of which a prefix ends at this state. */
  ending(state: number): readonly { rule: Rule; length: number }[]
  /** The beginnings of prefixes with which the text in this state ends, longest first. */
  begun(state: number): readonly { rules: readonly Rule[]; length: number }[]
}

const WIDTH = 128
const none: readonly never[] = []

/** Text must be given in lower case when the rules are caseless. */
export function createPrefixes(rules: readonly Rule[]): Prefixes {
  const children: Map<number, number>[] = [new Map()]
  const passing: Set<Rule>[] = [new Set()]
  const depth = [0]
  const own: { rule: Rule; length: number }[][] = [[]]
  for (const rule of rules) {
    for (const prefix of rule.prefixes) {
      let node = 0
      for (let i = 0; i < prefix.length; i++) {
        passing[node]!.add(rule)
        const code = prefix.charCodeAt(i)
        let child = children[node]!.get(code)
        if (child === undefined) {
          child = children.length
          children.push(new Map())
          passing.push(new Set())
          own.push([])
          depth.push(i + 1)
          children[node]!.set(code, child)
        }
        node = child
      }
      own[node]!.push({ rule, length: prefix.length })
    }
  }

  const table = new Uint16Array(children.length * WIDTH)
  const fail = new Uint16Array(children.length)
  const ending = own.map((list) => [...list])
  const queue = [0]
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    for (let code = 0; code < WIDTH; code++) {
      const child = children[node]!.get(code)
      const fallback = node === 0 ? 0 : table[fail[node]! * WIDTH + code]!
      table[node * WIDTH + code] = child ?? fallback
      if (child === undefined) continue
      fail[child] = fallback
      ending[child]!.push(...ending[fallback]!)
      queue.push(child)
    }
  }
  const begun = children.map((_, node) => {
    const list: { rules: readonly Rule[]; length: number }[] = []
    for (let at = node; at !== 0; at = fail[at]!) {
      if (passing[at]!.size > 0) list.push({ rules: [...passing[at]!], length: depth[at]! })
    }
    return list
  })

  return {
    next: (state, code) => (code < WIDTH ? table[state * WIDTH + code]! : 0),
    ending: (state) => ending[state] ?? none,
    begun: (state) => begun[state] ?? none,
  }
}
