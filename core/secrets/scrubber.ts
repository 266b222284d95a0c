/**
 * The one scrubber: secrets in text are replaced by `[REDACTED:kind]`. It looks for values that the hub knows (in every usual
 * encoding) and for what secrets of well-known providers look like. Text is read once, character by character, by one engine
 * for whole text and live text, so that the way a text is cut into pieces never changes the result.
 */
import { createKnownValues } from './known-values.ts'
import { createPrefixes } from './prefixes.ts'
import { isAlphanumeric, isDigit, marker, type Rule, type Span, type Watch } from './rule-shapes.ts'
import { rules as providerRules } from './rules.ts'
import { scrubValue } from './scrub-value.ts'

export type Scrubber = {
  /**
   * Looks for this value and its encodings from now on, in open streams too. `kind` is what stands in its place (letters,
   * digits, `_.:/-`). False when the value is shorter than 8 characters: it is not looked for, since it would match ordinary text.
   */
  add(value: string, kind: string): boolean
  /** `count` is the number of replacements. Markers of an earlier scrubbing are left as they are. */
  scrub(text: string): { text: string; count: number }
  /** The same for what JSON carries, at any depth, keys too; a copy is returned. See scrub-value.ts for what is not JSON. */
  scrubValue(value: unknown): { value: unknown; count: number }
  /** For live text: pieces go in, text that is surely clean comes out at once. */
  stream(): ScrubStream
}

export type ScrubStream = {
  /** What can be shown now: all but an end that may be the beginning of a secret. */
  push(delta: string): string
  /** The rest. The stream is not used after it. */
  end(): string
  readonly count: number
  /** True while something is kept back. */
  readonly holding: boolean
}

type Finding = Span & { kind: string; rank: number }
type ActiveWatch = { watch: Watch; rule: Rule; rank: number }

const KNOWN_RANK = 1_000
const RING = 128
/** More beginnings of one rule than this inside of each other are one secret or none. */
const MAX_WATCHES_OF_A_RULE = 4

/** `rules` are added to those of the providers. */
export function createScrubber(options: { rules?: readonly Rule[] } = {}): Scrubber {
  const known = createKnownValues()
  const rules = [...providerRules, ...(options.rules ?? [])]
  const kinds = new Set(rules.map((rule) => rule.kind))
  const all = [...rules, marker((kind) => kinds.has(kind))]
  const exact = createPrefixes(all.filter((rule) => !rule.caseless))
  const caseless = createPrefixes(all.filter((rule) => rule.caseless))

  function stream(): ScrubStream {
    let held: string[] = []
    let heldFrom = 0
    let position = 0
    let exactState = 0
    let caselessState = 0
    let count = 0
    let watches: ActiveWatch[] = []
    let findings: Finding[] = []
    let lastKnownEnd = -1
    /** The last characters, for what stands before a prefix. */
    const ring = new Uint16Array(RING)
    const before = (at: number, back: number) => (at - back < 0 ? 0 : ring[(at - back) % RING]!)

    const values = known.open((span) => {
      lastKnownEnd = span.end
      findings.push({ ...span, rank: KNOWN_RANK })
    })

    function step(code: number) {
      values.step(code, position)
      if (watches.length > 0) stepWatches(code)
      ring[position % RING] = code
      exactState = exact.next(exactState, code)
      caselessState = caseless.next(caselessState, code >= 65 && code <= 90 ? code + 32 : code)
      position++
      if (exactState !== 0) for (const { rule, length } of exact.ending(exactState)) begin(rule, length)
      if (caselessState !== 0) for (const { rule, length } of caseless.ending(caselessState)) begin(rule, length)
    }

    function begin(rule: Rule, length: number) {
      const start = position - length
      if (!mayBegin(rule, start)) return
      if (watches.filter((active) => active.rule === rule).length >= MAX_WATCHES_OF_A_RULE) return
      watches.push({ watch: rule.watch(rule.keepsPrefix ? position : start, position), rule, rank: length })
    }

    function stepWatches(code: number) {
      const going: ActiveWatch[] = []
      for (const active of watches) {
        const verdict = active.watch.step(code, position)
        if (verdict === 'more') going.push(active)
        else if (verdict !== 'no') {
          findings.push({ ...verdict, kind: active.rule.kind, rank: active.rank })
          if (verdict.rest) going.push({ ...active, watch: verdict.rest })
        }
      }
      watches = going
    }

    /** Not inside of a word, unless what stands before is an escape (`\n`, `%3D`, `\u0022`, a terminal colour). */
    function mayBegin(rule: Rule, start: number): boolean {
      const last = before(start, 1)
      if (rule.anywhere || !isAlphanumeric(last) || lastKnownEnd === start) return true
      if (before(start, 2) === 92) return true
      if (before(start, 3) === 37 || (before(start, 6) === 92 && before(start, 5) === 117)) return true
      if (last !== 109) return false
      let back = 2
      while (back < 16 && (isDigit(before(start, back)) || before(start, back) === 59)) back++
      return before(start, back) === 91
    }

    function releasable(): number {
      let limit = Math.min(position, values.heldFrom())
      for (const { watch } of watches) limit = Math.min(limit, watch.from)
      for (const { rules: begun, length } of exact.begun(exactState)) {
        const start = position - length
        if (start < limit && begun.some((rule) => !rule.keepsPrefix && mayBegin(rule, start))) limit = start
      }
      // What overlaps is replaced as one, so nothing is cut that may still grow.
      for (let cut = true; cut; ) {
        cut = false
        for (const { start, end } of findings) {
          if (start < limit && end > limit) {
            limit = start
            cut = true
          }
        }
      }
      return limit
    }

    function release(limit: number): string {
      if (limit === heldFrom) return ''
      const text = held.length === 1 ? held[0]! : held.join('')
      const ready = findings.filter((finding) => finding.start < limit)
      const rest = text.slice(limit - heldFrom)
      let clean = ''
      let from = heldFrom
      for (const { start, end, kind } of merge(ready)) {
        clean += `${text.slice(from - heldFrom, start - heldFrom)}[REDACTED:${kind}]`
        from = end
        count++
      }
      clean += text.slice(from - heldFrom, limit - heldFrom)
      if (ready.length > 0) findings = findings.filter((finding) => finding.start >= limit)
      held = rest === '' ? [] : [rest]
      heldFrom = limit
      return clean
    }

    return {
      push(delta) {
        if (delta === '') return ''
        held.push(delta)
        for (let i = 0; i < delta.length; i++) step(delta.charCodeAt(i))
        return release(releasable())
      },
      end() {
        stepWatches(-1)
        watches = []
        return release(position)
      },
      get count() {
        return count
      },
      get holding() {
        return held.length > 0
      },
    }
  }

  function scrub(text: string) {
    const whole = stream()
    const clean = whole.push(text) + whole.end()
    return { text: clean, count: whole.count }
  }

  return {
    add(value, kind) {
      const safeKind = kind.replace(/[^A-Za-z0-9_.:/-]/g, '_').slice(0, 64) || 'secret'
      kinds.add(safeKind)
      return known.add(value, safeKind)
    },
    scrub,
    scrubValue: (value) => scrubValue({ scrub }, value),
    stream,
  }
}

/** Overlapping findings as one, under the kind that says most; what lies inside an earlier redaction is left. */
function merge(findings: Finding[]): Finding[] {
  const markers = findings.filter((finding) => finding.marker)
  const merged: Finding[] = []
  const secrets = findings
    .filter((one) => !one.marker && !markers.some((marker) => marker.start <= one.start && one.end <= marker.end))
    .sort((a, b) => a.start - b.start || a.end - b.end)
  for (const finding of secrets) {
    const last = merged.at(-1)
    if (!last || finding.start >= last.end) merged.push({ ...finding })
    else {
      last.end = Math.max(last.end, finding.end)
      if (finding.rank > last.rank) Object.assign(last, { kind: finding.kind, rank: finding.rank })
    }
  }
  return merged
}
