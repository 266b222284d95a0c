import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hubFilePath, writeHubFile } from './data-folder.ts'
import { findHub } from './hub-address.ts'

let folder: string
let dataDir: string
const hub = { url: 'http://127.0.0.1:4000', pid: process.pid, token: 'from-file', started_at: '' }
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-find-'))
  dataDir = join(folder, '.signalbox')
  mkdirSync(join(folder, 'a', 'b'), { recursive: true })
  mkdirSync(dataDir)
  writeHubFile(dataDir, hub)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('the nearest .signalbox upward is the hub', () => {
  expect(findHub({}, join(folder, 'a', 'b'))).toEqual({ url: hub.url, token: 'from-file', dataDir })
})

test('SIGNALBOX_DATA_DIR names another one', () => {
  expect(findHub({ SIGNALBOX_DATA_DIR: dataDir }, '/')).toMatchObject({ token: 'from-file' })
})

test('SIGNALBOX_URL and SIGNALBOX_TOKEN win', () => {
  const env = { SIGNALBOX_URL: 'https://hub.example/', SIGNALBOX_TOKEN: 'mine' }
  expect(findHub(env, folder)).toEqual({ url: 'https://hub.example', token: 'mine', dataDir: null })
})

test('the token of hub.json goes to no other hub than the one that wrote it', () => {
  expect(() => findHub({ SIGNALBOX_URL: 'https://hub.example' }, folder)).toThrow(
    expect.objectContaining({ code: 'token_missing', exitCode: 4 }),
  )
  expect(findHub({ SIGNALBOX_URL: hub.url }, folder)).toMatchObject({ token: 'from-file' })
})

test('a hub whose process is gone does not run', () => {
  writeHubFile(dataDir, { ...hub, pid: 2 ** 22 + 1 })
  expect(() => findHub({}, folder)).toThrow(expect.objectContaining({ code: 'hub_not_running', exitCode: 3 }))
})

test('without a hub the hint says how to start one', () => {
  rmSync(dataDir, { recursive: true })
  expect(() => findHub({ SIGNALBOX_DATA_DIR: dataDir }, folder)).toThrow(
    expect.objectContaining({ code: 'hub_not_running', hint: expect.stringContaining('signalbox up') }),
  )
})

test.runIf(process.getuid)('a hub.json that others may write is not followed', () => {
  chmodSync(hubFilePath(dataDir), 0o666)
  expect(() => findHub({}, folder)).toThrow(expect.objectContaining({ code: 'hub_file_foreign' }))
})
