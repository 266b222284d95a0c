import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe } from 'vitest'
import { HubError } from '../../core/index.ts'
import { startHttpAgent } from '../../test/emulators/http-agent.ts'
import { memoryInbox } from '../../test/memory-inbox.ts'
import { runtimeContract } from '../contract.ts'
import { http } from './http.ts'

const secret = `whsec_${Buffer.from('a key for the contract of http').toString('base64')}`
const prompts = {
  succeeds: 'usage:12,5 say:hello%20 say:world',
  fails: 'say:well fail:no%20luck',
  lasts: 'say:on sleep:120000',
  streams:
    'say:one%20 sleep:150 say:two%20 tool:bash message say:thrée%20 sleep:150 say:four%20 unknown sleep:150 say:five',
  asks: 'say:may%20I? ask:permission',
  recalls: { first: 'remember:tangerine', second: 'recall', says: 'tangerine' },
  steers: 'await-steer',
}
const claims = {
  secret: 'env:AGENT_SECRET',
  allow_private_addresses: true,
  sessions: true,
  usage: 'tokens',
  accepts: { env: true },
}
const resolveSecret = async () => secret
const expected = { output: 'hello world' }

const sync = await startHttpAgent({ mode: 'sync', secret })
const stream = await startHttpAgent({ mode: 'stream', secret })
const durable = await startHttpAgent({ mode: 'stream', durable: true, secret })
const async = await startHttpAgent({ mode: 'async', secret })
afterAll(() => Promise.all([sync, stream, durable, async].map((agent) => agent.close())))

describe('an agent that answers with one JSON', () => {
  runtimeContract({
    kind: http,
    settings: { ...claims, url: sync.url, mode: 'sync', idempotent: true },
    host: { resolveSecret },
    prompts,
    expected,
    starts: sync.starts,
  })
})

describe('an agent that answers with an event stream', () => {
  runtimeContract({
    kind: http,
    settings: { ...claims, url: stream.url, mode: 'stream', answers: true, steer: true },
    host: { resolveSecret },
    prompts,
    expected,
  })
})

describe('a durable agent', () => {
  runtimeContract({
    kind: http,
    settings: { ...claims, url: durable.url, mode: 'stream', durable: true, answers: true, steer: true },
    host: { resolveSecret },
    prompts,
    expected,
    starts: durable.starts,
  })
})

describe('an agent that calls back', async () => {
  const { add, inbox } = memoryInbox()
  const settings = { ...claims, url: async.url, mode: 'async', answers: true, cancel: true, idempotent: true }
  const door = http.open(http.settings.parse(settings), {
    runtimeId: 'rtm_door',
    name: 'door',
    dataDir: '/nowhere',
    resolveSecret,
    inbox,
    log: { info: () => {}, warn: () => {}, error: () => {} },
  })
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const headers = Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)])
      const received = new Request('http://hub.example/callback', {
        method: 'POST',
        headers,
        body: Buffer.concat(chunks),
      })
      const taken = Promise.resolve(door).then((runtime) => runtime.receive?.(received))
      taken.then(
        (told) => {
          if (told) add(told.runId, told.events)
          response.writeHead(204).end()
        },
        (error: unknown) => response.writeHead(error instanceof HubError ? error.status : 500).end(),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterAll(() => new Promise((resolve) => server.close(resolve)))
  // A server that listens on a port has an address of this type.
  const callbackUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`

  runtimeContract({
    kind: http,
    settings,
    host: { resolveSecret, inbox },
    makeTurn: () => ({ callbackUrl }),
    prompts,
    expected,
    starts: async.starts,
  })
})
