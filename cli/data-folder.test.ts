import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  openDataFolder,
  readHubFile,
  readRelayPort,
  removeHubFile,
  writeHubFile,
  writeRelayPort,
} from './data-folder.ts'

let parent: string
let folder: string
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'signalbox-data-'))
  folder = join(parent, '.signalbox')
})
afterEach(() => rmSync(parent, { recursive: true, force: true }))
const modeOf = (path: string): number => statSync(path).mode & 0o777
const hub = { url: 'http://127.0.0.1:4000', pid: process.pid, token: 't', started_at: '2026-01-01T00:00:00Z' }

test('the folder is for its owner alone, and so is the master key of 256 bits', () => {
  openDataFolder(folder)
  expect(modeOf(folder)).toBe(0o700)
  expect(modeOf(join(folder, 'master.key'))).toBe(0o600)
  expect(Buffer.from(readFileSync(join(folder, 'master.key'), 'utf8'), 'base64')).toHaveLength(32)
})

test('the master key is made once', () => {
  openDataFolder(folder)
  const key = readFileSync(join(folder, 'master.key'), 'utf8')
  openDataFolder(folder)
  expect(readFileSync(join(folder, 'master.key'), 'utf8')).toBe(key)
  expect(readdirSync(folder).sort()).toEqual(['logs', 'master.key'])
})

test('what was left open to others is closed', () => {
  mkdirSync(folder)
  chmodSync(folder, 0o755)
  writeFileSync(join(folder, 'master.key'), 'key\n', { mode: 0o644 })
  openDataFolder(folder)
  expect([modeOf(folder), modeOf(join(folder, 'master.key'))]).toEqual([0o700, 0o600])
})

test('an empty master key is refused rather than replaced', () => {
  mkdirSync(folder)
  writeFileSync(join(folder, 'master.key'), '')
  expect(() => openDataFolder(folder)).toThrow(expect.objectContaining({ code: 'master_key_empty' }))
})

test('a folder that cannot be made is refused with a remedy', () => {
  writeFileSync(folder, 'a file')
  expect(() => openDataFolder(folder)).toThrow(expect.objectContaining({ code: 'data_folder_unusable' }))
})

test('the real path is what is returned', () => {
  mkdirSync(join(parent, 'real'))
  symlinkSync(join(parent, 'real'), folder)
  expect(openDataFolder(folder)).toBe(join(parent, 'real'))
})

test('hub.json is for its owner alone, replaced in one step, and removed only by the process that wrote it', () => {
  mkdirSync(folder)
  writeHubFile(folder, { ...hub, pid: 1 })
  removeHubFile(folder)
  expect(readHubFile(folder)).toMatchObject({ pid: 1 })
  writeHubFile(folder, hub)
  expect(readHubFile(folder)).toEqual(hub)
  expect(modeOf(join(folder, 'hub.json'))).toBe(0o600)
  expect(readdirSync(folder)).toEqual(['hub.json'])
  removeHubFile(folder)
  expect(readHubFile(folder)).toBeNull()
})

test.each(['', '{', '[]', '{"url":1}'])('a hub.json of %j is no hub', (text) => {
  mkdirSync(folder)
  writeFileSync(join(folder, 'hub.json'), text)
  expect(readHubFile(folder)).toBeNull()
})

test.each([
  ['45123', 45123],
  ['0', null],
  ['70000', null],
  ['x', null],
])('a remembered relay port of %s is %s', (text, expected) => {
  mkdirSync(folder)
  expect(readRelayPort(folder)).toBeNull()
  writeRelayPort(folder, 1)
  writeFileSync(join(folder, 'relay-port'), text)
  expect(readRelayPort(folder)).toBe(expected)
})
