import { randomBytes } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** OpenCode's own ids have 14 random characters here; ours begin with a word, so that a prompt is told from what OpenCode adds. */
const MARKS = { run: 'sbrun', steer: 'sbadd' } as const

/** An id in OpenCode's form (`msg_`, 12 hex digits of time, 14 characters), for the prompt of a run or one added to a run at work. */
export function newMessageId(kind: keyof typeof MARKS, now = Date.now()): string {
  const time = (BigInt(now) * 0x1000n) & 0xffffffffffffn
  const random = [...randomBytes(9)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('')
  return `msg_${time.toString(16).padStart(12, '0')}${MARKS[kind]}${random}`
}

/** The id of a message's only part: made from the message's, so that storing it twice is storing it once. */
export const partIdOf = (messageId: string): string => messageId.replace(/^msg_/, 'prt_')

/** True for a message that begins a run; what lies between two of them belongs to the first. */
export const beginsRun = (messageId: string): boolean => messageId.startsWith(MARKS.run, 16)
