import { Readable, Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { oneLine, openTerminal, printable } from './terminal.ts'

/** Streams that say whether they are a terminal; Node's own types ask for more than a terminal needs here. */
function streams(isTTY: boolean) {
  const stdout = Object.assign(new Writable(), { isTTY, columns: 100 }) as unknown as NodeJS.WriteStream
  return { stdin: Object.assign(new Readable(), { isTTY }), stdout, stderr: stdout }
}

describe('colours', () => {
  test.each([
    ['on a terminal', true, {}, '\u001b[31mx\u001b[39m'],
    ['not in a pipe', false, {}, 'x'],
    ['not with NO_COLOR', true, { NO_COLOR: '1' }, 'x'],
    ['with an empty NO_COLOR', true, { NO_COLOR: '' }, '\u001b[31mx\u001b[39m'],
    ['not on a dumb terminal', true, { TERM: 'dumb' }, 'x'],
  ])('%s', (_, isTty, env, expected) => {
    expect(openTerminal(env, streams(isTty)).colors.red('x')).toBe(expected)
  })
})

test.each([
  [{}, 'signalbox'],
  [{ npm_command: 'exec' }, 'npx signalbox'],
])('lines to copy name the program as it was called (%o)', (env, expected) => {
  expect(openTerminal(env, streams(true)).command).toBe(expected)
})

test.each([
  ['an escape sequence', 'a\u001b[2Jb\u001b]0;title\u0007c', 'a[2Jb]0;titlec'],
  ['a C1 control', 'a\u009b2Jb', 'a2Jb'],
  ['a carriage return', 'safe\rrm -rf', 'saferm -rf'],
  ['characters that turn the direction', 'a\u202eb\u2066c', 'abc'],
  ['line feeds and tabs stay', 'a\n\tb', 'a\n\tb'],
  ['letters of every script stay', 'grüße 你好 🎉', 'grüße 你好 🎉'],
])('what agents write cannot steer the terminal: %s', (_, text, expected) => {
  expect(printable(text)).toBe(expected)
})

test.each([
  ['a\n  b\tc', 20, 'a b c'],
  ['abcdef', 4, 'abc…'],
  ['abcd', 4, 'abcd'],
])('%j in one line of %i', (text, width, expected) => {
  expect(oneLine(text, width)).toBe(expected)
})
