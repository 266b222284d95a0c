/**
 * An agent behind HTTP whose behaviour the prompt decides, for tests: a real server on 127.0.0.1 that keeps docs/http-runtime.md.
 * As a program it outlives the hub that uses it: `tsx test/emulators/http-agent.ts --port N --log FILE [--mode stream] [--durable]`
 * prints `{"url"}` and writes one JSON line for each start, repeat, finish and message to FILE.
 *
 * A prompt is a list of commands, done in order; `%20` is a space. What is no command is said as it is:
 *   say:TEXT  message (begins another one)  snapshot:TEXT  think:TEXT  progress:TEXT  tool:NAME  artifact:NAME  unknown
 *   sleep:MS  usage:IN,OUT  ask:permission  ask:question  await-steer  remember:WORD  recall  config:FIELD  files
 *   fail:REASON  end (closes the stream without `finished`)  cut (breaks the connection)  duplicate (the last event again)
 *   status:CODE (answers with it: below 500 nothing is started, else the run goes on)  stubborn (ignores cancel)  bytewise (one byte a write)
 */
import { appendFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { argv } from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Webhook } from 'standardwebhooks'
import { type AgentAnswer, type AgentRun, beginRun, change, isOver, type RunRequest, wake } from './http-agent-run.ts'

export type HttpAgentOptions = {
  mode?: 'sync' | 'stream' | 'async'
  /** Runs outlive their connection and are answered for by id. */
  durable?: boolean
  /** False: the same Idempotency-Key twice is two runs. */
  idempotent?: boolean
  /** Requests without its signature are refused; callbacks are signed with it. */
  secret?: string
  port?: number
  log?: string
}

type SeenRequest = { method: string; path: string; headers: IncomingMessage['headers']; body: unknown }
export type HttpAgent = Awaited<ReturnType<typeof startHttpAgent>>

export async function startHttpAgent(options: HttpAgentOptions = {}) {
  const { mode = 'stream', durable = false, idempotent = true, secret } = options
  const key = secret === undefined ? null : new Webhook(secret)
  const runs = new Map<string, AgentRun>()
  const starts = new Map<string, number>()
  const memories = new Map<string, string[]>()
  const requests: SeenRequest[] = []
  const closing = new AbortController()

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else reply(response, 500, { error: { message: String(error) } })
    })
  })
  server.requestTimeout = 0
  await new Promise<void>((resolve) =>
    server.listen({ port: options.port ?? 0, host: '127.0.0.1', backlog: 2_048 }, resolve),
  )
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the agent has no port')
  const url = `http://127.0.0.1:${address.port}`

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await read(request)
    try {
      // Headers that are given several times are none of those that are verified.
      key?.verify(text, request.headers as Record<string, string>, { jsonParse: false })
    } catch (error) {
      return reply(response, 401, { error: { message: String(error) } })
    }
    const { pathname, searchParams } = new URL(request.url ?? '/', url)
    const body: unknown = text === '' ? null : JSON.parse(text)
    requests.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body })
    if (requests.length > 10_000) requests.shift()
    const route = /^\/runs\/([^/]+)(?:\/(events|cancel|answer|steer))?$/.exec(pathname)
    if (!route) {
      if (request.method === 'GET')
        return reply(response, 200, { version: '1', models: ['scripted/one'], durable, idempotent })
      return await start(request, response, body as RunRequest)
    }
    const run = runs.get(decodeURIComponent(route[1] ?? ''))
    if (!run) return reply(response, 404, { error: { code: 'run_not_found', message: `no run ${route[1]}` } })
    if (request.method !== 'GET')
      return receive(run, route[2], body as AgentAnswer & { interrupt_id?: string }, response)
    if (!durable) return reply(response, 404, { error: { message: 'this agent does not answer for runs by id' } })
    if (route[2] === 'events') return await stream(run, response, Number(searchParams.get('after') ?? 0))
    return reply(response, 200, toState(run))
  }

  async function start(request: IncomingMessage, response: ServerResponse, body: RunRequest): Promise<void> {
    const { run_id: id, session_id, callback } = body
    const given = String(request.headers['idempotency-key'])
    const prompt = body.input.text
    const code = Number(/(?:^|\s)status:(\d+)/.exec(prompt)?.[1] ?? 0)
    if (code > 0 && code < 500)
      return reply(response, code, { error: { message: 'told to refuse' } }, { location: 'http://127.0.0.1:1/' })
    const known = idempotent ? runs.get(given) : undefined
    log({ type: known ? 'repeat' : 'start', run_id: id, session_id, key: given, prompt })
    const run = known ?? begin(body)
    if (code >= 500) return reply(response, code, { error: { message: 'told to fail after the start' } })
    if (durable) return reply(response, 202, { run_id: id })
    if (mode === 'async' && callback) {
      if (!known) void call(run, callback.url)
      return reply(response, 202, { run_id: id })
    }
    // The answer is the run: whoever closes it ends the run.
    response.once('close', () => run.cancel.abort())
    if (mode !== 'sync') return await stream(run, response, 0)
    while (!isOver(run)) await change(run)
    const usage = run.usage && { usage: run.usage }
    if (run.status === 'succeeded') return reply(response, 200, { output: run.text, ...usage })
    return reply(response, 200, { error: run.error ?? { message: run.status }, ...usage })
  }

  function begin(request: RunRequest): AgentRun {
    const { run_id: id, session_id: session } = request
    const memory = memories.get(session) ?? []
    memories.set(session, memory)
    starts.set(id, (starts.get(id) ?? 0) + 1)
    const run = beginRun(request, memory, ({ status }) => log({ type: 'finish', run_id: id, status }))
    runs.set(id, run)
    return run
  }

  function receive(
    run: AgentRun,
    verb: string | undefined,
    body: AgentAnswer & { interrupt_id?: string },
    response: ServerResponse,
  ): void {
    const { text = '', interrupt_id = '' } = body
    const asked = run.interrupts.get(interrupt_id)
    if (isOver(run)) reply(response, 409, { error: { message: `run ${run.id} is ${run.status}` } })
    else if (verb === 'cancel') {
      run.cancel.abort()
      reply(response, 202, {})
    } else if (verb === 'steer') {
      const [waiting] = run.steered
      if (!waiting) run.steers.push(text)
      else if (run.steered.delete(waiting)) waiting(text)
      reply(response, 202, {})
    } else if (asked) {
      run.interrupts.delete(interrupt_id)
      asked.resolve(body)
      reply(response, 200, {})
    } else reply(response, 404, { error: { message: `no interrupt ${interrupt_id}` } })
    log({ type: verb, run_id: run.id })
  }

  /** Tells the hub what happens, again and again until it has taken it. */
  async function call(run: AgentRun, callback: string): Promise<void> {
    for (let sent = 0; !closing.signal.aborted; ) {
      const events = run.events.slice(sent).map((event, i) => ({ seq: sent + i + 1, ...event }))
      if (events.length === 0) {
        if (isOver(run)) return
        await change(run)
        continue
      }
      const body = JSON.stringify({ run_id: run.id, events })
      const now = new Date()
      const id = `${run.id}-${sent}`
      const headers: Record<string, string> = {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
      }
      if (key) headers['webhook-signature'] = key.sign(id, now, body)
      const taken = await fetch(callback, { method: 'POST', headers, body, signal: closing.signal }).then(
        (answered) => answered.ok,
        () => false,
      )
      if (taken) sent += events.length
      else await delay(100)
    }
  }

  function log(line: Record<string, unknown>): void {
    if (options.log !== undefined)
      appendFileSync(options.log, `${JSON.stringify({ at: new Date().toISOString(), ...line })}\n`)
  }

  return {
    url,
    requests,
    /** How often the work of a run was begun. */
    starts: (runId: string) => starts.get(runId) ?? 0,
    status: (runId: string) => runs.get(runId)?.status ?? null,
    async close(): Promise<void> {
      closing.abort()
      for (const run of runs.values()) run.cancel.abort()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function stream(run: AgentRun, response: ServerResponse, after: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  response.flushHeaders()
  run.connections.add(response)
  response.once('close', () => {
    run.connections.delete(response)
    wake(run)
  })
  for (let seq = after + 1; !response.destroyed && !response.writableEnded; ) {
    const event = run.events[seq - 1]
    if (event) write(run, response, seq++, event)
    else if (isOver(run)) response.end()
    else await change(run)
  }
}

/** An event that was repeated keeps the id that it had. */
function write(run: AgentRun, response: ServerResponse, seq: number, event: { type: string }): void {
  const id = run.events.indexOf(event) + 1
  const text = Buffer.from(`: ping\nid: ${Math.min(id, seq)}\ndata: ${JSON.stringify(event)}\n\n`)
  if (!run.bytewise) return void response.write(text)
  for (const byte of text) response.write(Buffer.of(byte))
}

function toState(run: AgentRun) {
  return {
    run_id: run.id,
    status: run.status,
    ...(isOver(run) && { output: run.text }),
    ...(run.error && { error: run.error }),
    ...(run.usage && { usage: run.usage }),
    interrupts: [...run.interrupts.values()].map(({ interrupt }) => interrupt),
  }
}

function reply(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

if (argv[1] !== undefined && import.meta.url === pathToFileURL(argv[1]).href) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      log: { type: 'string' },
      mode: { type: 'string', default: 'stream' },
      durable: { type: 'boolean', default: false },
      secret: { type: 'string' },
    },
  })
  const { mode, log, secret } = values
  if (mode !== 'sync' && mode !== 'stream' && mode !== 'async')
    throw new Error(`--mode ${mode} is not sync, stream or async`)
  const { url } = await startHttpAgent({
    mode,
    durable: values.durable,
    port: Number(values.port),
    ...(log !== undefined && { log }),
    ...(secret !== undefined && { secret }),
  })
  console.log(JSON.stringify({ url }))
}
