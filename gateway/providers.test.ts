import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HubError } from '../core/index.ts'
import { type ScriptedProvider, scriptedProvider } from '../test/scripted-provider.ts'
import { providersFromEnv } from './providers.ts'

const ids = async (env: Record<string, string>) => [...(await providersFromEnv(env)).providers.keys()]

async function refusalOf(env: Record<string, string>): Promise<HubError> {
  const error = await providersFromEnv(env).catch((caught: unknown) => caught)
  if (!(error instanceof HubError)) throw new Error(`no refusal: ${String(error)}`)
  return error
}

test('with nothing set there is the demo model alone', async () => {
  expect(await providersFromEnv({})).toMatchObject({ defaultModel: 'demo/demo', demo: true })
  expect(await ids({ ANTHROPIC_API_KEY: '', OPENAI_API_KEY: ' ', OPENAI_BASE_URL: '' })).toEqual(['demo'])
})

test.each([
  [{ ANTHROPIC_API_KEY: 'k' }, ['anthropic', 'demo'], 'anthropic/claude-sonnet-5'],
  [{ OPENAI_API_KEY: 'k' }, ['openai', 'demo'], 'openai/gpt-5.5'],
  [{ OPENAI_API_KEY: 'k', ANTHROPIC_API_KEY: 'k' }, ['anthropic', 'openai', 'demo'], 'anthropic/claude-sonnet-5'],
  [{ OPENAI_API_KEY: 'k', OPENAI_BASE_URL: 'https://api.openai.com/v1/' }, ['openai', 'demo'], 'openai/gpt-5.5'],
  [
    { OPENAI_BASE_URL: 'http://127.0.0.1:1/v1', SIGNALBOX_MODEL: 'openai/qwen/qwen3' },
    ['openai', 'demo'],
    'openai/qwen/qwen3',
  ],
  [
    { ANTHROPIC_API_KEY: 'k', OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' },
    ['anthropic', 'openai', 'demo'],
    'anthropic/claude-sonnet-5',
  ],
  [{ ANTHROPIC_API_KEY: 'k', SIGNALBOX_MODEL: 'demo/demo' }, ['anthropic', 'demo'], 'demo/demo'],
] as [Record<string, string>, string[], string][])('%j gives %j and the model %s', async (env, names, defaultModel) => {
  const models = await providersFromEnv(env)
  expect([...models.providers.keys()]).toEqual(names)
  expect(models).toMatchObject({ defaultModel, demo: false })
})

test.each([
  ['ANTHROPIC_BASE_URL', 'anthropic', 'https://proxy.test', 'https://proxy.test/v1'],
  ['ANTHROPIC_BASE_URL', 'anthropic', 'https://proxy.test/claude/v1/', 'https://proxy.test/claude/v1'],
  ['OPENAI_BASE_URL', 'openai', 'http://127.0.0.1:11434', 'http://127.0.0.1:11434/v1'],
  ['OPENAI_BASE_URL', 'openai', 'https://openrouter.test/api/v1/', 'https://openrouter.test/api/v1'],
])('%s of %s as people write it: %s is %s', async (name, id, url, baseUrl) => {
  const models = await providersFromEnv({ ANTHROPIC_API_KEY: 'k', SIGNALBOX_MODEL: 'demo/demo', [name]: url })
  expect(models.providers.get(id)?.baseUrl).toBe(baseUrl)
})

test('providers hold references of keys, never keys', async () => {
  const env = { ANTHROPIC_API_KEY_FILE: '/run/secrets/anthropic', OPENAI_API_KEY: 'the-key-itself' }
  const { providers } = await providersFromEnv(env)
  expect([...providers.values()].map(({ key }) => key)).toEqual([
    'file:/run/secrets/anthropic',
    'env:OPENAI_API_KEY',
    null,
  ])
  expect(JSON.stringify([...providers.values()])).not.toContain('the-key-itself')
})

test.each([
  [{ SIGNALBOX_MODEL: 'gpt-5.5' }, /there is no such model/],
  [{ SIGNALBOX_MODEL: 'anthropic/claude-sonnet-5' }, /there is no such model/],
  [{ SIGNALBOX_MODEL: 'demo/' }, /there is no such model/],
  [{ OPENAI_BASE_URL: 'localhost:11434' }, /OPENAI_BASE_URL is not an http\(s\) address/],
  [{ OPENAI_BASE_URL: 'http://user:hidden@127.0.0.1/v1' }, /carries a user, a password or a query/],
  [{ ANTHROPIC_API_KEY: 'k', ANTHROPIC_BASE_URL: 'nonsense' }, /ANTHROPIC_BASE_URL is not/],
] as [Record<string, string>, RegExp][])('%j is refused with what to set', async (env, message) => {
  const refusal = await refusalOf(env)
  expect(refusal.code).toBe('invalid_config')
  expect(refusal.message).toMatch(message)
  expect(refusal.hint).toMatch(/_API_KEY|_BASE_URL/)
  expect(refusal.message + refusal.hint).not.toContain('hidden')
})

describe('an OpenAI-compatible server without SIGNALBOX_MODEL', () => {
  let server: ScriptedProvider
  let folder: string
  beforeEach(async () => {
    server = await scriptedProvider()
    folder = await mkdtemp(join(tmpdir(), 'signalbox-providers-'))
  })
  afterEach(async () => {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })
  const answers = (status: number, body: unknown) => {
    server.script = (response) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }

  test('gives the first chat model that it lists, asked with the key from its file', async () => {
    answers(200, { object: 'list', data: [{ id: 'nomic-embed-text' }, { id: 'qwen3:8b' }, { id: 'llama4' }] })
    const file = join(folder, 'key')
    await writeFile(file, 'sk-from-file\n')
    const models = await providersFromEnv({ OPENAI_BASE_URL: `${server.url}/v1`, OPENAI_API_KEY_FILE: file })
    expect(models).toMatchObject({ defaultModel: 'openai/qwen3:8b', demo: false })
    expect(server.seen[0]).toMatchObject({
      method: 'GET',
      url: '/v1/models',
      headers: { authorization: 'Bearer sk-from-file' },
    })
  })

  test('is asked without a key when there is none', async () => {
    answers(200, { data: [{ id: 'llama4' }] })
    await providersFromEnv({ OPENAI_BASE_URL: server.url })
    expect(server.seen[0]!.url).toBe('/v1/models')
    expect(server.seen[0]!.headers.authorization).toBeUndefined()
  })

  test.each([
    [401, { error: 'no' }, /it answered 401/],
    [200, { models: [] }, /not an OpenAI list of models/],
    [200, { data: [{ id: 'nomic-embed-text' }] }, /lists no chat model/],
  ])('that answers %i %j makes the start say what to set', async (status, body, message) => {
    answers(status, body)
    const refusal = await refusalOf({ OPENAI_BASE_URL: server.url })
    expect(refusal.message).toMatch(message)
    expect(refusal.hint).toContain('SIGNALBOX_MODEL=openai/<model>')
  })

  test('that is not there makes the start say so', async () => {
    const { url } = server
    await server.close()
    expect((await refusalOf({ OPENAI_BASE_URL: url })).message).toMatch(/ECONNREFUSED/)
    server = await scriptedProvider()
  })

  test('that never answers is waited for 3 s', async () => {
    server.script = () => {}
    expect((await refusalOf({ OPENAI_BASE_URL: server.url })).message).toMatch(/no answer in 3 s/)
  })
})
