/** A model provider on loopback for tests: keeps what it was sent and answers as the test says. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type SeenRequest = { method: string; url: string; headers: IncomingHttpHeaders; body: string }
export type Script = (
  response: ServerResponse,
  request: SeenRequest & { incoming: IncomingMessage },
) => void | Promise<void>

export type ScriptedProvider = {
  url: string
  /** Requests in the order in which they came. */
  seen: SeenRequest[]
  /** How the next requests are answered. */
  script: Script
  /** Requests whose connection closed before the reply was complete. */
  aborted: number
  close(): Promise<void>
}

export async function scriptedProvider(): Promise<ScriptedProvider> {
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming
      const request = { method, url, headers, body: Buffer.concat(chunks).toString('utf8') }
      provider.seen.push(request)
      void provider.script(response, { ...request, incoming })
    })
    response.on('close', () => {
      if (!response.writableFinished) provider.aborted++
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const provider: ScriptedProvider = {
    // A server that listens on a port has an address of this shape.
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    script: (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
    aborted: 0,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return provider
}
