import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readHubSettings } from './hub-settings.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-settings-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('without any variable: loopback, any port, PGlite in .signalbox', () => {
  expect(readHubSettings({}, '/work')).toEqual({
    dataDir: '/work/.signalbox',
    host: '127.0.0.1',
    port: null,
    databaseUrl: null,
    publicUrl: null,
    allowedHosts: [],
    model: null,
    env: {},
  })
})

test('an empty variable counts as unset', () => {
  expect(readHubSettings({ PORT: '', DATABASE_URL: '', HOST: '' }, '/work')).toMatchObject({
    port: null,
    host: '127.0.0.1',
  })
})

test('a secret may come from a file', () => {
  const file = join(folder, 'database')
  writeFileSync(file, 'postgres://u:p@h/d\n')
  expect(readHubSettings({ DATABASE_URL_FILE: file }).databaseUrl).toBe('postgres://u:p@h/d')
})

test('all problems are told at once, and no value is in the message', () => {
  const env = {
    PORT: '99999',
    DATABASE_URL: 'mysql://secret-value@h',
    SIGNALBOX_PUBLIC_URL: 'ftp://x',
    SIGNALBOX_MODEL: 'claude',
    OPENAI_API_KEY: 'secret-value',
    OPENAI_API_KEY_FILE: '/also',
    ANTHROPIC_API_KEY_FILE: '/nowhere',
  }
  const thrown = problemsOf(env)
  expect(thrown.details).toHaveLength(6)
  expect(thrown.message).toMatch(/^6 settings are wrong:/)
  for (const name of [
    'PORT',
    'DATABASE_URL',
    'SIGNALBOX_PUBLIC_URL',
    'SIGNALBOX_MODEL',
    'OPENAI_API_KEY',
    'ANTHROPIC_API_KEY_FILE',
  ]) {
    expect(thrown.message).toContain(name)
  }
  expect(thrown.message).not.toContain('secret-value')
})

test.each(['0.0.0.0', '::', '192.168.1.5', 'hub.internal'])(
  'HOST %s needs the names under which the hub is asked',
  (HOST) => {
    expect(problemsOf({ HOST }).message).toContain('SIGNALBOX_ALLOWED_HOSTS')
    expect(readHubSettings({ HOST, SIGNALBOX_ALLOWED_HOSTS: 'Hub.example, other' }).allowedHosts).toEqual([
      'hub.example',
      'other',
    ])
    expect(readHubSettings({ HOST, SIGNALBOX_PUBLIC_URL: 'https://hub.example/' }).publicUrl).toBe(
      'https://hub.example',
    )
  },
)

test.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1'])('HOST %s needs no names', (host) => {
  expect(readHubSettings({ HOST: host }).host).toBe(host)
})

function problemsOf(env: Record<string, string>): { message: string; details: unknown } {
  try {
    readHubSettings(env)
  } catch (error) {
    // What it throws is a CliError; the assertions look at these two.
    return error as { message: string; details: unknown }
  }
  throw new Error('nothing was refused')
}
