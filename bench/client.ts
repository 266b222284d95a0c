import { Agent, type IncomingMessage, request } from 'node:http'

const agent = new Agent({ keepAlive: true, maxSockets: 256 })

/** One POST over a connection that is kept; the parsed JSON of a 2xx. Plain node:http, so that the client weighs little. */
export async function post<T>(url: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
  const text = JSON.stringify(body)
  const response = await send(
    'POST',
    url,
    { ...headers, 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) },
    text,
  )
  let answer = ''
  for await (const chunk of response.setEncoding('utf8')) answer += chunk
  if ((response.statusCode ?? 500) >= 300) throw new Error(`POST ${url}: ${response.statusCode} ${answer}`)
  // The shape is the one that the server under measurement answers with.
  return JSON.parse(answer) as T
}

/** Reads an event stream to its end; `onData` gets each `data:` line as it comes. */
export async function readStream(
  url: string,
  headers: Record<string, string>,
  onData: (data: string) => void,
): Promise<void> {
  const response = await send('GET', url, { ...headers, accept: 'text/event-stream' })
  if (response.statusCode !== 200) throw new Error(`GET ${url}: ${response.statusCode}`)
  let rest = ''
  for await (const chunk of response.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('data:')) onData(line)
  }
}

function send(method: string, url: string, headers: Record<string, string>, body?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, { method, headers, agent }, resolve).on('error', reject).end(body)
  })
}
