/**
 * Commands of a README that a test runs. A block is a fence of `sh` below a comment:
 *
 *     <!-- test: first run
 *     expect: ^succeeded
 *     -->
 *
 * Keys: `test` the name; `expect` a regular expression (flags `ms`) that the output must match, any number of them;
 * `exit` the exit code (default 0); `seconds` how long it may take (default 120); `background` a regular expression: the
 * commands go on running until the end, and the next block starts when their output matches.
 * A fence of `sh` that no test runs stands below `<!-- untested: the reason -->`.
 */
export type Block = {
  name: string
  commands: string
  line: number
  expect: RegExp[]
  exitCode: number
  seconds: number
  background: RegExp | null
}

const FENCE = /^```(?:sh|bash|shell|console)\n(.*?)^```$/gms

/** Blocks in their order. Throws on a fence of commands without a comment, an unknown key or a name used twice. */
export function readBlocks(markdown: string): Block[] {
  const blocks: Block[] = []
  for (const fence of markdown.matchAll(FENCE)) {
    const before = markdown.slice(0, fence.index)
    const line = before.split('\n').length
    const comment = /<!--((?:(?!-->).)*)-->\s*$/s.exec(before)?.[1]?.trim()
    if (comment?.startsWith('untested:')) continue
    if (!comment?.startsWith('test:'))
      throw new Error(`line ${line}: commands without <!-- test: ... --> or <!-- untested: ... -->`)
    const block = toBlock(comment, fence[1]!, line)
    if (blocks.some(({ name }) => name === block.name))
      throw new Error(`line ${line}: a second block named ${block.name}`)
    blocks.push(block)
  }
  return blocks
}

function toBlock(comment: string, commands: string, line: number): Block {
  const block: Block = { name: '', commands, line, expect: [], exitCode: 0, seconds: 120, background: null }
  for (const entry of comment.split('\n')) {
    const [, key, value] = /^\s*(\w+):\s*(.+?)\s*$/.exec(entry) ?? []
    if (key === 'test') block.name = value!
    else if (key === 'expect') block.expect.push(new RegExp(value!, 'ms'))
    else if (key === 'exit') block.exitCode = Number(value)
    else if (key === 'seconds') block.seconds = Number(value)
    else if (key === 'background') block.background = new RegExp(value!, 'ms')
    else throw new Error(`line ${line}: cannot read "${entry.trim()}"`)
  }
  return block
}
