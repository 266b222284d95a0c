/**
 * The shapes that secrets of providers have. A rule is found by one of its literal prefixes; from there a watch reads on,
 * character by character, until it can say what is secret. Nothing here looks back, so that live text is read once.
 */

/** Positions in the text; `end` is exclusive. `marker`: an earlier redaction, left as it is. `rest` reads on after `end`. */
export type Span = { start: number; end: number; marker?: true; rest?: Watch }
export type Verdict = 'more' | 'no' | Span

export interface Watch {
  /** From here on the text may be part of the secret; Infinity while it can't yet. */
  from: number
  /** The next character, or -1 for the end of the text. After a verdict other than `more` it is not called again. */
  step(code: number, position: number): Verdict
}

export type Rule = {
  kind: string
  prefixes: readonly string[]
  /** Prefixes match in any case. */
  caseless?: true
  /** Also in the middle of a word. */
  anywhere?: true
  /** The prefix stands before the secret and is kept. */
  keepsPrefix?: true
  watch(prefixStart: number, bodyStart: number): Watch
}

/** What is known of a run of characters, kept while it is read. */
export type Seen = {
  length: number
  digits: number
  upper: number
  lower: number
  distinct: number
  longestWord: number
  segments: number[]
}

/** Random text has digits and many different characters; placeholders (`xxxxxxxx`, `your-key-here`) have not. */
export const looksRandom = (seen: Seen): boolean => seen.digits > 0 && seen.distinct >= 8

export const isDigit = (code: number): boolean => code >= 48 && code <= 57
const isUpper = (code: number): boolean => code >= 65 && code <= 90
const isLower = (code: number): boolean => code >= 97 && code <= 122
export const isAlphanumeric = (code: number): boolean => isDigit(code) || isUpper(code) || isLower(code)

/** A set of ASCII characters, from the inside of a RegExp class: `A-Za-z0-9_-`. */
export function characters(inside: string): (code: number) => boolean {
  const expression = new RegExp(`[${inside}]`)
  const table = Uint8Array.from({ length: 128 }, (_, code) => (expression.test(String.fromCharCode(code)) ? 1 : 0))
  return (code) => code >= 0 && code < 128 && table[code] === 1
}

const word = characters('A-Za-z0-9_-')
/** Longer than any token: what goes on beyond is not one. */
const TOKEN_CAP = 16_384

type TokenOptions = { body?: (code: number) => boolean; min: number; max?: number; accept?: (seen: Seen) => boolean }

/** A prefix and the run of characters after it, at least `min` of them, at most `max`. */
export function token(
  kind: string,
  prefixes: string[],
  { body = word, min, max, accept = looksRandom }: TokenOptions,
): Rule {
  return {
    kind,
    prefixes,
    watch: (prefixStart, bodyStart) => watchRun(prefixStart, bodyStart, { body, min, max: max ?? TOKEN_CAP, accept }),
  }
}

const gap = characters('\\s"\'`=:>\\\\(|')
const MAX_GAP = 12

/** A run of characters behind a name and a few separators: `"SecretAccessKey": "..."`. Only the run is secret. */
export function labelled(
  kind: string,
  labels: string[],
  { body = word, min, max, accept = looksRandom }: TokenOptions,
): Rule {
  return {
    kind,
    prefixes: labels,
    caseless: true,
    anywhere: true,
    keepsPrefix: true,
    watch(_, bodyStart) {
      let run: Watch | null = null
      const watch: Watch = {
        from: Number.POSITIVE_INFINITY,
        step(code, position) {
          if (run) return run.step(code, position)
          if (gap(code)) return position - bodyStart < MAX_GAP ? 'more' : 'no'
          if (position === bodyStart || !body(code)) return 'no'
          run = watchRun(position, position, { body, min, max: max ?? TOKEN_CAP, accept })
          watch.from = position
          return run.step(code, position)
        },
      }
      return watch
    },
  }
}

function watchRun(start: number, bodyStart: number, options: Required<TokenOptions>): Watch {
  const { body, min, max, accept } = options
  const seen: Seen = { length: 0, digits: 0, upper: 0, lower: 0, distinct: 0, longestWord: 0, segments: [0] }
  const known = new Uint32Array(4)
  let wordLength = 0
  let trailingDots = 0
  return {
    from: start,
    step(code, position) {
      if (!body(code) || position - bodyStart >= max) {
        // A run that is cut by one more letter than the format has is something else.
        if (isAlphanumeric(code) && position - bodyStart < TOKEN_CAP) return 'no'
        // Dots at the end belong to the sentence.
        seen.segments.length -= trailingDots
        seen.length -= trailingDots
        return seen.length >= min && accept(seen) ? { start, end: position - trailingDots } : 'no'
      }
      seen.length++
      if (isDigit(code)) seen.digits++
      else if (isUpper(code)) seen.upper++
      else if (isLower(code)) seen.lower++
      if (!(known[code >> 5]! & (1 << (code & 31)))) {
        known[code >> 5]! |= 1 << (code & 31)
        seen.distinct++
      }
      wordLength = isAlphanumeric(code) || code === 95 ? wordLength + 1 : 0
      seen.longestWord = Math.max(seen.longestWord, wordLength)
      if (code === 46) {
        trailingDots++
        seen.segments.push(0)
      } else {
        trailingDots = 0
        seen.segments[seen.segments.length - 1]!++
      }
      return 'more'
    },
  }
}

// Without `[`: an earlier redaction has a colon, and so has an address of IP version 6.
const userName = characters('^\\s/@?#"\'<>\\\\`:[')
const password = characters('^\\s/?#"\'<>`')
const MAX_URL_PART = 1024

/** The password in `scheme://user:password@host`. A variable (`$NAME`, `${NAME}`, `{{name}}`) in its place is not one. */
export const urlPassword: Rule = {
  kind: 'url_password',
  prefixes: ['://'],
  anywhere: true,
  keepsPrefix: true,
  watch(_, bodyStart) {
    let start = -1
    let lastAt = -1
    let first = 0
    let digits = 0
    const watch: Watch = {
      from: Number.POSITIVE_INFINITY,
      step(code, position) {
        if (position - bodyStart > MAX_URL_PART) return 'no'
        if (start < 0) {
          if (code === 58) start = watch.from = position + 1
          else if (!userName(code)) return 'no'
          return 'more'
        }
        if (password(code) || code > 127) {
          if (position === start) first = code
          if (code === 64) lastAt = position
          else if (lastAt < 0 && isDigit(code)) digits++
          return 'more'
        }
        const variable = (first === 36 || first === 123 || first === 37) && digits === 0
        return lastAt > start && !variable ? { start, end: lastAt } : 'no'
      },
    }
    return watch
  },
}

const keyBody = characters('A-Za-z0-9+/=\\s\\\\"\',:|>#*;-')
const base64 = characters('A-Za-z0-9+/=')
const KEY_CAP = 65_536
/** Headers of an encrypted key stand before the first line of it; prose that only names the BEGIN line is longer. */
const KEY_PREAMBLE = 240

/** From BEGIN to the complete END line; a block that breaks off is secret up to where it does. */
export const privateKey: Rule = {
  kind: 'private_key',
  prefixes: ['-----BEGIN '],
  anywhere: true,
  watch(prefixStart, bodyStart) {
    let label = ''
    let block: Watch | null = null
    return {
      from: prefixStart,
      step(code, position) {
        if (block) return block.step(code, position)
        if (code < 0 || position - bodyStart >= 60) return 'no'
        label += String.fromCharCode(code)
        if (/^[A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----$/.test(label)) block = watchKeyBlock(prefixStart, position + 1, false)
        return block || /^[A-Z0-9 ]*-{0,5}$/.test(label) ? 'more' : 'no'
      },
    }
  },
}

function watchKeyBlock(start: number, bodyStart: number, isKeyAlready: boolean): Watch {
  let isKey = isKeyAlready
  let run = 0
  let dashes = 0
  /** What came after five dashes, while it may be the END line. */
  let ending: string | null = null
  return {
    from: start,
    step(code, position) {
      if (ending !== null && code >= 0) {
        ending += String.fromCharCode(code)
        if (/^END [A-Z0-9 ]*-----$/.test(ending)) return isKey ? { start, end: position + 1 } : 'no'
        if ('END '.startsWith(ending) || (ending.length < 60 && /^END [A-Z0-9 ]*-{0,5}$/.test(ending))) return 'more'
        ending = null
      }
      run = base64(code) ? run + 1 : 0
      if (run >= 20) isKey = true
      if (code < 0 || (isKey && !keyBody(code))) return isKey ? { start, end: position } : 'no'
      if (!isKey && position - bodyStart > KEY_PREAMBLE) return 'no'
      dashes = code === 45 ? dashes + 1 : 0
      if (dashes >= 5) ending = ''
      else if (position - start >= KEY_CAP)
        return { start, end: position + 1, rest: watchKeyBlock(position + 1, position + 1, true) }
      return 'more'
    },
  }
}

const kindCharacters = characters('A-Za-z0-9_.:/-')

/** `[REDACTED:kind]` of a kind that the hub gives is the scrubber's own work. */
export function marker(isKind: (kind: string) => boolean): Rule {
  return {
    kind: 'marker',
    prefixes: ['[REDACTED:'],
    anywhere: true,
    watch(prefixStart) {
      let kind = ''
      return {
        from: prefixStart,
        step(code, position) {
          if (code === 93) return isKind(kind) ? { start: prefixStart, end: position + 1, marker: true } : 'no'
          if (!kindCharacters(code) || kind.length >= 64) return 'no'
          kind += String.fromCharCode(code)
          return 'more'
        },
      }
    },
  }
}
