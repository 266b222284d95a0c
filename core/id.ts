import { randomBytes } from 'node:crypto'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/**
 * A new id: prefix, 10 characters of time (ms, Crockford base 32), 16 of randomness (80 bits).
 * Ids of one prefix sort by the time they were made, so that they serve as page cursors.
 */
export function newId(prefix: string, now = Date.now()): string {
  let time = ''
  for (let rest = now, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) time = ALPHABET[rest % 32] + time
  let random = ''
  for (const byte of randomBytes(16)) random += ALPHABET[byte & 31]
  return `${prefix}_${time}${random}`
}
