import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FileInfo } from '../../core/index.ts'
import { openRest, type TestRest } from '../../test/rest.ts'
import { serveApp } from '../../test/serve.ts'

let rest: TestRest
beforeAll(async () => {
  rest = await openRest({ worker: false, web: { maxBodyBytes: 1_000, maxUploadBytes: 100_000 } })
})
afterAll(async () => {
  await rest.close()
})

const send = (
  raw: string | Uint8Array<ArrayBuffer>,
  query: string,
  headers: Record<string, string> = { 'content-type': 'text/plain' },
) => rest.call<FileInfo & { error?: { code: string } }>('POST', `/files${query}`, { raw, headers })

test('what was uploaded comes back byte for byte, as an attachment that no browser opens', async () => {
  const bytes = randomBytes(50_000)
  const file = await send(bytes, '?name=data.bin', { 'content-type': 'application/octet-stream' })
  expect(file.body).toMatchObject({
    name: 'data.bin',
    bytes: 50_000,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  })
  const response = await rest.app.request(`/api/v1/files/${file.body.id}/content`, {
    headers: { authorization: `Bearer ${rest.token}` },
  })
  expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true)
  expect(response.headers.get('content-length')).toBe('50000')
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  expect(response.headers.get('content-security-policy')).toContain('sandbox')
  expect(response.headers.get('content-disposition')).toContain('attachment')
})

test.each([
  ['../../etc/passwd', 'passwd', 'filename="passwd"'],
  ['C:\\temp\\a.txt', 'a.txt', 'filename="a.txt"'],
  ['a"\r\nx-evil: 1.txt', 'a"x-evil: 1.txt', 'filename="a_x-evil: 1.txt"'],
  ['Übersicht (1).txt', 'Übersicht (1).txt', "filename*=UTF-8''%C3%9Cbersicht%20%281%29.txt"],
  ['..', 'file', 'filename="file"'],
])('the name %j is kept as %j', async (given, kept, disposition) => {
  const file = await send('x', `?name=${encodeURIComponent(given)}`)
  expect(file.body.name).toBe(kept)
  const { headers } = await rest.call('GET', `/files/${file.body.id}/content`)
  expect(headers.get('content-disposition')).toContain(disposition)
  expect(headers.get('x-evil')).toBeNull()
})

test('a form is held in memory, so it has a limit; a plain body is streamed to what core allows', async () => {
  const form = new FormData()
  form.set('file', new File([new Uint8Array(200_000)], 'big.bin'))
  expect((await rest.call('POST', '/files', { raw: form })).body).toMatchObject({ error: { code: 'body_too_large' } })
  const server = await serveApp(rest.app.fetch)
  async function* parts() {
    for (let i = 0; i < 32; i++) yield Buffer.alloc(64 * 1024, i)
  }
  const response = await fetch(`${server.url}/api/v1/files?name=big.bin`, {
    method: 'POST',
    headers: { authorization: `Bearer ${rest.token}`, 'content-type': 'application/octet-stream' },
    body: ReadableStream.from(parts()),
    duplex: 'half',
  })
  expect(response.status).toBe(201)
  expect(await response.json()).toMatchObject({ bytes: 2 * 1024 * 1024 })
  await server.close()
})

test('a file needs a content type that is one, and a form needs its field', async () => {
  expect((await send('x', '?name=a', { 'content-type': 'nonsense' })).status).toBe(415)
  const form = new FormData()
  form.set('datei', new File(['x'], 'a.txt'))
  expect((await rest.call('POST', '/files', { raw: form })).body).toMatchObject({ error: { code: 'invalid_request' } })
})

test('an uploaded file goes into a run', async () => {
  const file = await send('some notes', '?name=notes.txt')
  const run = await rest.call('POST', '/runs', { body: { agent: 'echo', prompt: 'say:x', files: [file.body.id] } })
  expect(run.status).toBe(201)
  const lost = await rest.call('POST', '/runs', { body: { agent: 'echo', prompt: 'say:x', files: ['fil_none'] } })
  expect(lost.body).toMatchObject({ error: { code: 'file_not_found' } })
})
