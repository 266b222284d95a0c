import { createHash } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** OpenCode's own ids have 14 random characters here; ours begin with a word, so that a prompt is told from what OpenCode adds. */
const MARKS = { run: 'sbrun', steer: 'sbadd' } as const

/**
 * An id in OpenCode's form (`msg_`, 12 hex digits, 14 characters), always the same for the same key. OpenCode's own begin with the
 * time, and it does not go by that: messages are ordered by when they were stored, answers name their prompt.
 */
export function messageIdFor(kind: keyof typeof MARKS, key: string): string {
  const digest = createHash('sha256').update(key).digest()
  const letters = [...digest.subarray(6, 15)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('')
  return `msg_${digest.toString('hex', 0, 6)}${MARKS[kind]}${letters}`
}

/** The id of a message's only part: made from the message's, so that storing it twice is storing it once. */
export const partIdOf = (messageId: string): string => messageId.replace(/^msg_/, 'prt_')

/** True for a message that begins a run; what lies between two of them belongs to the first. */
export const beginsRun = (messageId: string): boolean => messageId.startsWith(MARKS.run, 16)
