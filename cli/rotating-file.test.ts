import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { rotatingFile } from './rotating-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-log-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('a full file moves on, the oldest goes, and each stays within its size', () => {
  const file = rotatingFile(join(folder, 'hub.log'), { maxBytes: 20, keep: 2 })
  for (let i = 0; i < 10; i++) file.write(`line ${i} 901\n`)
  file.close()
  expect(readdirSync(folder).sort()).toEqual(['hub.log', 'hub.log.1', 'hub.log.2'])
  expect(readFileSync(join(folder, 'hub.log'), 'utf8')).toBe('line 9 901\n')
  expect(readFileSync(join(folder, 'hub.log.2'), 'utf8')).toBe('line 7 901\n')
})

test('it goes on where an earlier process ended, and nobody else may read it', () => {
  writeFileSync(join(folder, 'hub.log'), 'before\n', { mode: 0o600 })
  const file = rotatingFile(join(folder, 'hub.log'), { maxBytes: 100, keep: 1 })
  file.write('after\n')
  file.close()
  expect(readFileSync(join(folder, 'hub.log'), 'utf8')).toBe('before\nafter\n')
  expect(statSync(join(folder, 'hub.log')).mode & 0o777).toBe(0o600)
})
