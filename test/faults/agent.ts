import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AgentRun } from './observed.ts'

/**
 * An agent that outlives the hubs and remembers each request that it got. Below `/durable` it keeps a run whatever happens to
 * its caller; below `/plain` a run is the answer to its request and ends with the connection, and the agent would do it again
 * if it were asked again.
 */
export type FaultAgent = {
  url: string
  runs(): AgentRun[]
  close(): Promise<void>
}

type Durable = {
  status: 'running' | 'succeeded' | 'cancelled'
  log: object[]
  watchers: Set<() => void>
  timer?: NodeJS.Timeout
}

/** `7 words, one each 20 ms` makes the agent say `w1 w2 ... w7 `. */
export const promptOf = (words: number, delayMs: number) => `${words} words, one each ${delayMs} ms`

export async function startFaultAgent(): Promise<FaultAgent> {
  const asked = new Map<string, AgentRun>()
  const durable = new Map<string, Durable>()

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      // A hub that was killed leaves half a request behind.
      if (!request.destroyed && !response.headersSent) response.writeHead(500).end(String(error))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://agent')
    const [, kind, , runId, verb] = pathname.split('/')
    if (request.method === 'POST' && runId === undefined) {
      const { run_id, input } = JSON.parse(await bodyOf(request)) as { run_id: string; input: { text: string } }
      const { words, delayMs } = readPrompt(input.text)
      const entry = asked.get(run_id) ?? { runId: run_id, starts: 0, text: words.join('') }
      entry.starts += 1
      asked.set(run_id, entry)
      if (kind === 'plain') return tellWhileConnected(response, words, delayMs)
      if (!durable.has(run_id)) durable.set(run_id, work(words, delayMs))
      return void response.writeHead(202, { 'content-type': 'application/json' }).end(JSON.stringify({ run_id }))
    }
    const run = durable.get(runId ?? '')
    if (!run) return void response.writeHead(404).end()
    if (request.method === 'POST' && verb === 'cancel') {
      const over = run.status !== 'running'
      if (!over) finish(run, 'cancelled')
      return void response.writeHead(over ? 409 : 200).end()
    }
    if (verb === 'events') return follow(request, response, run, Number(searchParams.get('after') ?? 0))
    const output = run.log.map((event) => ('delta' in event ? String(event.delta) : '')).join('')
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ status: run.status, output }))
  }

  return {
    url: `http://127.0.0.1:${address.port}`,
    runs: () => [...asked.values()],
    async close() {
      for (const { timer } of durable.values()) clearInterval(timer)
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function work(words: string[], delayMs: number): Durable {
  const run: Durable = { status: 'running', log: [], watchers: new Set() }
  let said = 0
  run.timer = setInterval(() => {
    const word = words[said++]
    if (word === undefined) return finish(run, 'succeeded')
    run.log.push({ type: 'text', message_id: 'm1', delta: word })
    for (const wake of run.watchers) wake()
  }, delayMs)
  return run
}

function finish(run: Durable, status: 'succeeded' | 'cancelled'): void {
  clearInterval(run.timer)
  run.status = status
  run.log.push({ type: 'finished', status })
  for (const wake of run.watchers) wake()
}

function follow(request: IncomingMessage, response: ServerResponse, run: Durable, after: number): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  let told = after
  const tell = () => {
    for (; told < run.log.length; told++) response.write(`id: ${told + 1}\ndata: ${JSON.stringify(run.log[told])}\n\n`)
    if (run.status !== 'running') response.end()
  }
  run.watchers.add(tell)
  request.once('close', () => run.watchers.delete(tell))
  tell()
}

function tellWhileConnected(response: ServerResponse, words: string[], delayMs: number): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  let said = 0
  const timer = setInterval(() => {
    const word = words[said++]
    const event =
      word === undefined ? { type: 'finished', status: 'succeeded' } : { type: 'text', message_id: 'm1', delta: word }
    response.write(`data: ${JSON.stringify(event)}\n\n`)
    if (word === undefined) response.end()
  }, delayMs)
  response.once('close', () => clearInterval(timer))
}

function readPrompt(text: string): { words: string[]; delayMs: number } {
  const [, words, delayMs] = /^(\d+) words, one each (\d+) ms$/.exec(text) ?? []
  if (words === undefined) throw new Error(`not a prompt of this agent: ${text}`)
  return { words: Array.from({ length: Number(words) }, (_, at) => `w${at + 1} `), delayMs: Number(delayMs) }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  // Without an encoding set, a request yields buffers.
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
