// An agent that counts, in plain Node: AGENT_SECRET=whsec_... PORT=8787 node examples/http-agent.mjs
// It keeps docs/http-runtime.md in its smallest streaming form: the answer to the request is the run.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

const { AGENT_SECRET, PORT = 8787 } = process.env
if (!AGENT_SECRET) throw new Error('Set AGENT_SECRET: whsec_ and 32 random bytes in base64.')
const key = Buffer.from(AGENT_SECRET.replace(/^whsec_/, ''), 'base64')

/** The work: put yours here. Tell an event as soon as there is one; what is thrown fails the run. */
async function work({ run_id, input }, tell, signal) {
  const limit = Number(/\d+/.exec(input.text)?.[0])
  if (!limit) throw new Error('Tell me how far to count.')
  for (let number = 1; number <= limit; number++) {
    tell({ type: 'text', message_id: `${run_id}-answer`, delta: `${number} ` })
    await delay(100, undefined, { signal })
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
  if (!isSigned(request.headers, body)) return response.writeHead(401).end()
  if (request.method === 'GET')
    return response.writeHead(200, { 'content-type': 'application/json' }).end('{"version":"1"}')
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
  const tell = (event) => response.write(`data: ${JSON.stringify(event)}\n\n`)
  // The hub stops a run by closing the connection.
  const stop = new AbortController()
  response.once('close', () => stop.abort())
  await work(JSON.parse(body), tell, stop.signal).then(
    () => tell({ type: 'finished', status: 'succeeded' }),
    ({ message }) => tell({ type: 'finished', status: 'failed', error: { message } }),
  )
  response.end()
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => response.destroy(error))
})
server.listen(Number(PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
