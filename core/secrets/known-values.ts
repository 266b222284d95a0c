/**
 * Values that the hub knows to be secret, found in text in every form in which they are usually written.
 * The first eight characters of each form are hashed; text is read with a rolling hash of the same width, so that the cost per
 * character does not grow with the number of values. Line breaks are skipped on both sides: `base64` wraps its output.
 */

/** Shorter values would match ordinary text; they are not looked for. */
const MIN_LENGTH = 8

const WINDOW = 8
const BASE = 0x01000193
const BLOOM_BITS = 18

type Form = { text: string; kind: string }
export type KnownSpan = { start: number; end: number; kind: string }

export type KnownValues = {
  /** False when the value is too short to be looked for. Adding it again changes nothing. */
  add(value: string, kind: string): boolean
  /** Reads one text, character by character. */
  open(found: (span: KnownSpan) => void): KnownReader
}

export type KnownReader = {
  step(code: number, position: number): void
  /** Where the text begins that may become a known value with what comes next; Infinity when none can. */
  heldFrom(): number
}

const bucket = (hash: number) => Math.imul(hash, 0x9e3779b1) >>> (32 - BLOOM_BITS)

export function createKnownValues(): KnownValues {
  const values = new Set<string>()
  const forms = new Map<number, Form[]>()
  /** Hashes of the beginnings of forms, by length 1 to 7. */
  const beginnings = Array.from({ length: WINDOW }, () => new Set<number>())
  const bloom = new Uint32Array(2 ** (BLOOM_BITS - 5))

  function addForm(text: string, kind: string) {
    let hash = 0
    for (let i = 0; i < WINDOW; i++) {
      hash = (Math.imul(hash, BASE) + text.charCodeAt(i)) | 0
      if (i < WINDOW - 1) beginnings[i + 1]!.add(hash)
    }
    const known = forms.get(hash)
    if (known) known.push({ text, kind })
    else forms.set(hash, [{ text, kind }])
    bloom[bucket(hash) >>> 5]! |= 1 << (bucket(hash) & 31)
  }

  return {
    add(value, kind) {
      const trimmed = value.trim()
      if (trimmed.length < MIN_LENGTH) return false
      if (values.has(trimmed)) return true
      values.add(trimmed)
      for (const text of formsOf(trimmed)) addForm(text, kind)
      return true
    },

    open(found) {
      const codes = new Uint16Array(WINDOW)
      const positions = new Float64Array(WINDOW)
      const dropped = power(WINDOW)
      let length = 0
      let hash = 0
      let partial: { form: Form; matched: number; start: number }[] = []

      function step(code: number, position: number) {
        if (values.size === 0 || code === 10 || code === 13) return
        if (partial.length > 0) {
          partial = partial.filter((match) => {
            if (match.form.text.charCodeAt(match.matched) !== code) return false
            match.matched++
            if (match.matched < match.form.text.length) return true
            found({ start: match.start, end: position + 1, kind: match.form.kind })
            return false
          })
        }
        const slot = length % WINDOW
        hash = (Math.imul(hash, BASE) + code - (length >= WINDOW ? Math.imul(codes[slot]!, dropped) : 0)) | 0
        codes[slot] = code
        positions[slot] = position
        length++
        if (length < WINDOW) return
        const bit = bucket(hash)
        if (!(bloom[bit >>> 5]! & (1 << (bit & 31)))) return
        for (const form of forms.get(hash) ?? []) {
          if (!endsWithWindow(form.text)) continue
          const start = positions[length % WINDOW]!
          if (form.text.length === WINDOW) found({ start, end: position + 1, kind: form.kind })
          else partial.push({ form, matched: WINDOW, start })
        }
      }

      /** Equal hashes are not yet equal text. */
      function endsWithWindow(text: string): boolean {
        for (let i = 0; i < WINDOW; i++) if (codes[(length + i) % WINDOW] !== text.charCodeAt(i)) return false
        return true
      }

      function heldFrom(): number {
        let from = Number.POSITIVE_INFINITY
        for (const match of partial) from = Math.min(from, match.start)
        let suffix = 0
        let factor = 1
        for (let size = 1; size < WINDOW && size <= length; size++) {
          const slot = (length - size) % WINDOW
          suffix = (suffix + Math.imul(codes[slot]!, factor)) | 0
          factor = Math.imul(factor, BASE)
          if (beginnings[size]!.has(suffix)) from = Math.min(from, positions[slot]!)
        }
        return from
      }

      return { step, heldFrom }
    },
  }
}

function power(exponent: number): number {
  let result = 1
  for (let i = 0; i < exponent; i++) result = Math.imul(result, BASE)
  return result
}

/** The forms in which a value is looked for, without line breaks: as it is, JSON, HTML, URL, base64 in any surroundings, hex. */
function formsOf(value: string): Set<string> {
  const bytes = Buffer.from(value, 'utf8')
  const json = JSON.stringify(value).slice(1, -1)
  const component = encodeURIComponent(bytes.toString('utf8'))
  const strict = component.replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  const url = [component, strict, strict.replaceAll('%20', '+'), encodeURI(bytes.toString('utf8'))]
  const base64 = [0, 1, 2].map((offset) => base64Core(bytes, offset))
  const hex = bytes.toString('hex')
  const all = [
    value,
    json,
    JSON.stringify(json).slice(1, -1),
    json.replaceAll('/', '\\/'),
    json.replace(/[\u007f-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`),
    value
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;'),
    ...url,
    ...url.map((text) => text.replace(/%[0-9A-F]{2}/g, (encoded) => encoded.toLowerCase())),
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
    hex,
    hex.toUpperCase(),
  ]
  return new Set(all.map((text) => text.replace(/[\r\n]/g, '')).filter((text) => text.length >= WINDOW))
}

/** The characters that base64 has for these bytes whatever stands after them, and before them a number of bytes that leaves `offset` when divided by 3. */
function base64Core(bytes: Buffer, offset: number): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
  return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
}
