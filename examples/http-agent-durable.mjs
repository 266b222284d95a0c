// The agent of http-agent.mjs in its durable form: the hub may crash and come back while it counts.
// AGENT_SECRET=whsec_... PORT=8787 node examples/http-agent-durable.mjs
import { createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

const { AGENT_SECRET, PORT = 8787 } = process.env
if (!AGENT_SECRET) throw new Error('Set AGENT_SECRET: whsec_ and 32 random bytes in base64.')
const key = Buffer.from(AGENT_SECRET.replace(/^whsec_/, ''), 'base64')
/** In memory here: an agent that must outlive its own restarts keeps them in a database. */
const runs = new Map()

/** The work: put yours here. Tell an event as soon as there is one; what is thrown fails the run. */
async function work({ run_id, input }, tell, signal) {
  const limit = Number(/\d+/.exec(input.text)?.[0])
  if (!limit) throw new Error('Tell me how far to count.')
  for (let number = 1; number <= limit; number++) {
    tell({ type: 'text', message_id: `${run_id}-answer`, delta: `${number} ` })
    await delay(100, undefined, { signal })
  }
}

function start(request) {
  console.log(`started ${request.run_id}`)
  const run = {
    status: 'running',
    output: '',
    error: undefined,
    events: [],
    stop: new AbortController(),
    told: new EventTarget(),
  }
  const tell = (event) => {
    run.events.push(event)
    run.output += event.delta ?? ''
    run.told.dispatchEvent(new Event('event'))
  }
  const finish = (status, error) => {
    Object.assign(run, { status, error })
    tell({ type: 'finished', status, error })
  }
  work(request, tell, run.stop.signal).then(
    () => finish('succeeded'),
    ({ message }) => (run.stop.signal.aborted ? finish('cancelled') : finish('failed', { message })),
  )
  return run
}

/** Server-sent events: the id of each is its number, from which the hub goes on after a lost connection. */
async function stream(run, after, response) {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
  for (let seq = after + 1; ; seq++) {
    if (seq > run.events.length && run.status !== 'running') return response.end()
    if (seq > run.events.length) await once(run.told, 'event')
    if (response.destroyed) return
    response.write(`id: ${seq}\ndata: ${JSON.stringify(run.events[seq - 1])}\n\n`)
  }
}

/** Standard Webhooks: HMAC-SHA256 over id, time and body, at most five minutes old. */
function isSigned({ 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': given = '' }, body) {
  const expected = Buffer.from(`v1,${createHmac('sha256', key).update(`${id}.${time}.${body}`).digest('base64')}`)
  const matches = given.split(' ').some((one) => {
    const signature = Buffer.from(one)
    return signature.length === expected.length && timingSafeEqual(signature, expected)
  })
  return matches && Math.abs(Date.now() / 1000 - Number(time)) < 300
}

async function answer(request, response) {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  const reply = (status, json) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
  if (!isSigned(request.headers, body)) return reply(401, { error: { message: 'The signature does not hold.' } })
  const { pathname, searchParams } = new URL(request.url, 'http://agent')
  const [, , id, verb] = pathname.split('/')
  if (!id && request.method === 'GET') return reply(200, { version: '1', durable: true })
  if (!id) {
    const { run_id, ...rest } = JSON.parse(body)
    // The same run_id twice is one run.
    if (!runs.has(run_id)) runs.set(run_id, start({ run_id, ...rest }))
    return reply(202, { run_id })
  }
  const run = runs.get(id)
  if (!run) return reply(404, { error: { message: `There is no run ${id}.` } })
  if (verb === 'events') return await stream(run, Number(searchParams.get('after')), response)
  if (verb === 'cancel') {
    if (run.status !== 'running') return reply(409, { error: { message: `The run is ${run.status}.` } })
    run.stop.abort()
    return reply(202, {})
  }
  return reply(200, { status: run.status, output: run.output, error: run.error })
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => response.destroy(error))
})
server.listen(Number(PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
