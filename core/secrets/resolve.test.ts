import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HubError } from '../errors.ts'
import { readSecretFile, resolveSecret } from './resolve.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'secrets-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function refusal(reference: string, env: Record<string, string> = {}): Promise<HubError> {
  const error: unknown = await resolveSecret(reference, { env }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(HubError)
  return error as HubError
}

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(join(folder, name), content)
  return join(folder, name)
}

test('a variable of the environment is found by its name', async () => {
  expect(await resolveSecret('env:API_KEY', { env: { API_KEY: 'value\n' } })).toBe('value\n')
})

test('a missing or empty variable is named, with what to do', async () => {
  expect(await refusal('env:API_KEY')).toMatchObject({
    code: 'secret_unresolved',
    message: 'The environment variable API_KEY is not set where the hub runs.',
    hint: "Set API_KEY in the hub's environment and restart it.",
  })
  expect((await refusal('env:API_KEY', { API_KEY: '' })).message).toContain('API_KEY is empty')
})

test.each([
  ['value\n', 'value'],
  ['value\r\n', 'value'],
  ['value\n\n', 'value\n'],
  [' va lue ', ' va lue '],
  ['line\nline\n', 'line\nline'],
])('a file is read and one line break at its end is dropped: %j', async (content, value) => {
  expect(await resolveSecret(`file:${await file('key', content)}`, { env: {} })).toBe(value)
})

test('what is no readable text file of at most 64 KiB is refused with its reason, and a value is never repeated', async () => {
  const path = (name: string) => join(folder, name)
  await mkdir(path('folder'))
  execFileSync('/usr/bin/env', ['mkfifo', path('pipe')])
  const cases: [string, string][] = [
    [path('none'), 'it does not exist'],
    [path('folder'), 'it is a folder'],
    [path('pipe'), 'it is not a regular file'],
    ['/dev/zero', 'it is not a regular file'],
    [await file('empty', '\n'), 'is empty'],
    [await file('large', 'secret-'.repeat(10_000)), 'it is larger than 64 KiB'],
    [await file('binary', new Uint8Array([0xff, 0xfe, 0x00])), 'it is not text in UTF-8'],
  ]
  for (const [name, reason] of cases) {
    const error = await refusal(`file:${name}`)
    expect(error.code).toBe('secret_unresolved')
    expect(error.message).toContain(name)
    expect(error.message).toContain(reason)
    expect(error.message + error.hint).not.toContain('secret-secret')
  }
  expect(await resolveSecret(`file:${await file('full', 'x'.repeat(65_536))}`, { env: {} })).toHaveLength(65_536)
})

test('something else than a reference is refused without being repeated', async () => {
  for (const reference of ['sk-not-a-reference', 'env:', 'file:relative/path', 'vault:x', '']) {
    const error = await refusal(reference)
    expect(error.code).toBe('secret_unresolved')
    if (reference)
      expect(error.message + error.hint).not.toContain(reference.slice(reference.indexOf(':') + 1) || 'env:;')
  }
})

test('files of the hub itself are not read, through links either', async () => {
  await mkdir(join(folder, 'data'))
  const key = await file('data/master.key', 'key')
  await symlink(key, join(folder, 'link'))
  const refuse = { refuse: [join(folder, 'data')] }
  await expect(readSecretFile(key, refuse)).rejects.toThrow('it belongs to the hub itself')
  await expect(readSecretFile(join(folder, 'link'), refuse)).rejects.toThrow('it belongs to the hub itself')
  expect(await readSecretFile(await file('database', 'value'), refuse)).toBe('value')
})
