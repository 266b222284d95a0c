import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Agent, FileInfo, Page, Token } from '../../core/index.ts'
import { openRest, type TestRest } from '../../test/rest.ts'

let rest: TestRest
beforeAll(async () => {
  rest = await openRest({ worker: false })
})
afterAll(async () => {
  await rest.close()
})

const key = (name: string) => ({ 'idempotency-key': name })

test('a repeat gets the same answer, marked, and changes nothing', async () => {
  const body = { name: 'twice', runtime: 'scripted' }
  const first = await rest.call('POST', '/agents', { body, headers: key('a1') })
  const again = await rest.call('POST', '/agents', { body, headers: key('a1') })
  expect(again.status).toBe(201)
  expect(again.body).toEqual(first.body)
  expect(first.headers.get('idempotent-replayed')).toBeNull()
  expect(again.headers.get('idempotent-replayed')).toBe('true')
})

test('the same key for another body or path is refused', async () => {
  const body = { name: 'thrice', runtime: 'scripted' }
  await rest.call('POST', '/agents', { body, headers: key('a2') })
  const conflict = { error: { code: 'idempotency_conflict' } }
  expect(
    (await rest.call('POST', '/agents', { body: { ...body, name: 'other' }, headers: key('a2') })).body,
  ).toMatchObject(conflict)
  expect((await rest.call('POST', '/runtimes', { body, headers: key('a2') })).body).toMatchObject(conflict)
})

test('twenty at once make one, and each of the others is told so or to wait', async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, () =>
      rest.call<{ id?: string; error?: { code: string } }>('POST', '/agents', {
        body: { name: 'crowd', runtime: 'scripted' },
        headers: key('a3'),
      }),
    ),
  )
  const made = answers.filter(({ status }) => status === 201)
  const told = answers.filter(({ status }) => status !== 201)
  expect(new Set(made.map(({ body }) => body.id)).size).toBe(1)
  expect(told.every(({ body }) => body.error?.code === 'idempotency_in_progress')).toBe(true)
  const { data } = (await rest.call<Page<Agent>>('GET', '/agents?query=crowd')).body
  expect(data).toHaveLength(1)
})

test('what failed leaves the key free', async () => {
  const refused = await rest.call('POST', '/agents', {
    body: { name: 'later', runtime: 'nowhere' },
    headers: key('a4'),
  })
  expect(refused.status).toBe(404)
  const accepted = await rest.call('POST', '/agents', {
    body: { name: 'later', runtime: 'scripted' },
    headers: key('a4'),
  })
  expect(accepted.status).toBe(201)
})

test('a token is shown once: a repeat has none, and none is stored', async () => {
  type Made = Token & { token: string | null }
  const first = await rest.call<Made>('POST', '/tokens', { body: { name: 'ci' }, headers: key('t1') })
  const again = await rest.call<Made>('POST', '/tokens', { body: { name: 'ci' }, headers: key('t1') })
  expect(first.body.token).toMatch(/^sbx_/)
  expect(again.status).toBe(201)
  expect(again.body).toEqual({ ...first.body, token: null })
  const { data } = (await rest.call<{ data: Token[] }>('GET', '/tokens')).body
  expect(data.filter(({ name }) => name === 'ci')).toHaveLength(1)
})

test('a file is told by its content, not by how the form around it was written', async () => {
  const upload = async (content: string) => {
    const form = new FormData()
    form.set('file', new File([content], 'notes.txt', { type: 'text/plain' }))
    return await rest.call<FileInfo>('POST', '/files', { raw: form, headers: key('f1') })
  }
  const first = await upload('the same')
  const again = await upload('the same')
  expect(again.body).toEqual(first.body)
  expect(again.headers.get('idempotent-replayed')).toBe('true')
  expect((await upload('another')).body).toMatchObject({ error: { code: 'idempotency_conflict' } })
})
