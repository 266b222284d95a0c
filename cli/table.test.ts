import { stripVTControlCharacters } from 'node:util'
import picocolors from 'picocolors'
import { expect, test } from 'vitest'
import { type Column, table } from './table.ts'

type Row = { name: string; count: number; text: string }
const columns: Column<Row>[] = [
  { title: 'NAME', value: (row) => row.name },
  { title: 'COUNT', value: (row) => String(row.count), align: 'right' },
  { title: 'TEXT', value: (row) => row.text, flexible: true },
]
const rows: Row[] = [
  { name: 'a', count: 1, text: 'a text that is longer than the terminal is wide' },
  { name: 'longer', count: 1000, text: 'two\nlines \u001b[31mand red' },
]
const plain = { colors: picocolors.createColors(false), width: 40 }

test('columns are aligned, and a row is one line', () => {
  expect(table({ ...plain, isTty: false }, columns, rows).split('\n')).toEqual([
    'NAME    COUNT  TEXT',
    'a           1  a text that is longer than the terminal is wide',
    'longer   1000  two lines [31mand red',
  ])
})

test('on a terminal the flexible column is cut to fit', () => {
  const lines = table({ ...plain, isTty: true }, columns, rows).split('\n')
  expect(lines[1]).toBe('a           1  a text that is longer th…')
  expect(Math.max(...lines.map((line) => line.length))).toBe(40)
})

test('colours do not move columns', () => {
  const painted = columns.map((column) => ({ ...column, paint: (text: string) => `\u001b[31m${text}\u001b[39m` }))
  const text = table({ ...plain, isTty: false }, painted, rows)
  expect(stripVTControlCharacters(text)).toBe(table({ ...plain, isTty: false }, columns, rows))
})
