import { createServer, type Server } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { quiet } from '../test/core.ts'
import { freePort } from '../test/free-port.ts'
import { DEFAULT_PORT, listen } from './listen.ts'

const host = '127.0.0.1'
const taken: Server[] = []
afterEach(async () => {
  for (const server of taken.splice(0)) await new Promise((resolve) => server.close(resolve))
})

/** Resolves to false where another program has it already, which serves the test as well. */
async function take(port: number): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.once('error', () => resolve())
    server.listen(port, host, () => {
      taken.push(server)
      resolve()
    })
  })
}

test('without a port, a taken 4000 means the next free one', async () => {
  await take(DEFAULT_PORT)
  const listening = await listen(() => new Response('here'), { host, port: null, log: quiet })
  expect(listening.port).toBeGreaterThan(DEFAULT_PORT)
  expect(listening.moved).toBe(true)
  expect(await (await fetch(`http://${host}:${listening.port}/`)).text()).toBe('here')
  await listening.close(0)
})

test('a port that was asked for is never another one', async () => {
  const port = await freePort()
  await take(port)
  await expect(listen(() => new Response(), { host, port, log: quiet })).rejects.toMatchObject({
    code: 'port_in_use',
    exitCode: 6,
  })
})

test('an address of another machine is refused with a remedy', async () => {
  await expect(listen(() => new Response(), { host: '192.0.2.1', port: 0, log: quiet })).rejects.toMatchObject({
    code: 'cannot_listen',
  })
})

test('closing lets a request at work end, and cuts a stream that does not', async () => {
  let answer = (): void => {}
  const answered = new Promise<void>((resolve) => {
    answer = resolve
  })
  let asked = (): void => {}
  const begun = new Promise<void>((resolve) => {
    asked = resolve
  })
  const listening = await listen(
    async (request) => {
      if (new URL(request.url).pathname === '/stream')
        return new Response(new ReadableStream({ start: (c) => c.enqueue(new Uint8Array([65])) }))
      asked()
      await answered
      return new Response('done')
    },
    { host, port: 0, log: quiet },
  )
  const url = `http://${host}:${listening.port}`
  const stream = await fetch(`${url}/stream`)
  const slow = fetch(`${url}/slow`)
  await begun
  const closed = listening.close(200)
  answer()
  expect(await (await slow).text()).toBe('done')
  await closed
  await expect(stream.text()).rejects.toThrow('terminated')
})
