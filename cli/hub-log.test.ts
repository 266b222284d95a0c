import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type RecordingTerminal, recordingTerminal } from '../test/recording-terminal.ts'
import { hubLog } from './hub-log.ts'

let folder: string
let shown: RecordingTerminal

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-log-'))
  mkdirSync(join(folder, 'logs'))
  shown = recordingTerminal()
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))
const logged = (): string => readFileSync(join(folder, 'logs', 'hub.log'), 'utf8')

test('a secret is in no line, wherever it stands in it', () => {
  const log = hubLog(folder, shown.terminal, 'people')
  log.scrubWith((text) => text.replaceAll('canary-7f3a', '[REDACTED]'))
  log.info('started with canary-7f3a', { nested: { deep: ['canary-7f3a'] } })
  log.warn('a canary-7f3a', { 'canary-7f3a': 1 })
  log.error('failed', { error: 'Error: canary-7f3a\n    at somewhere' })
  log.close()
  expect(logged() + shown.out() + shown.err()).not.toContain('canary-7f3a')
  expect(logged().match(/\[REDACTED\]/g)).toHaveLength(5)
})

test('people see warnings and errors in one line each, without stacks', () => {
  const log = hubLog(folder, shown.terminal, 'people')
  log.info('nobody needs this')
  log.error('a run failed', { run: 'run_1', error: 'Error: broke\n    at x (file.ts:1:1)', stack: 'at x' })
  log.close()
  expect(shown.err()).toMatch(/^\d\d:\d\d:\d\d ✗ a run failed run run_1 · error Error: broke\n$/)
  expect(shown.out()).toBe('')
})

test('programs get the same JSON lines as the file', () => {
  const log = hubLog(folder, shown.terminal, 'json')
  log.info('serving', { url: 'http://127.0.0.1:4000' })
  log.close()
  expect(shown.out()).toBe(logged())
  expect(JSON.parse(shown.out())).toMatchObject({ level: 'info', message: 'serving', url: 'http://127.0.0.1:4000' })
  expect(shown.err()).toBe('')
})
