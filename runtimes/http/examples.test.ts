import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { runtimeContract } from '../contract.ts'
import { eventTypes } from './events.ts'
import { http } from './http.ts'

const secret = `whsec_${Buffer.from('thirty-two bytes for the example').toString('base64')}`

/** The example as a person starts it, on a free port. */
async function startExample(name: string): Promise<{ url: string; printed(): string[] }> {
  const file = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))
  const agent = spawn(process.execPath, [file], {
    env: { AGENT_SECRET: secret, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  afterAll(async () => {
    agent.kill()
    await once(agent, 'exit')
  })
  const lines: string[] = []
  const output = createInterface(agent.stdout).on('line', (line) => lines.push(line))
  await once(output, 'line')
  return { url: lines[0]!, printed: () => lines }
}

const prompts = { succeeds: 'Count to 2.', fails: 'Count!', lasts: 'Count to 100000.', streams: 'Count to 5.' }
const host = { resolveSecret: async () => secret }
const settings = { mode: 'stream', secret: 'env:AGENT_SECRET', allow_private_addresses: true }
const streaming = await startExample('http-agent.mjs')
const durable = await startExample('http-agent-durable.mjs')

describe('examples/http-agent.mjs', () => {
  runtimeContract({
    kind: http,
    settings: { ...settings, url: streaming.url },
    host,
    prompts,
    expected: { output: '1 2 ' },
  })
})

describe('examples/http-agent-durable.mjs', () => {
  runtimeContract({
    kind: http,
    settings: { ...settings, url: durable.url, durable: true },
    host,
    prompts,
    expected: { output: '1 2 ' },
    starts: (runId) => durable.printed().filter((line) => line === `started ${runId}`).length,
  })
})

test.each([streaming.url, durable.url])('%s refuses what is not signed', async (url) => {
  const answer = await fetch(url, { method: 'POST', body: '{"run_id":"run_1","input":{"text":"Count to 2."}}' })
  expect(answer.status).toBe(401)
})

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('the page about http agents shows the example as it is', () => {
  expect(read('docs/http-runtime.md')).toContain(`\`\`\`js\n${read('examples/http-agent.mjs')}\`\`\``)
})

test('the page about http agents has every setting and every type of event', () => {
  const page = read('docs/http-runtime.md')
  const settings = Object.keys(http.settings.parse({ url: 'https://example.com' }))
  for (const name of [...settings, 'secret', ...eventTypes]) expect(page, name).toContain(`| \`${name}\` |`)
})
