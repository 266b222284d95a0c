import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type CliHub, openCliHub, program } from '../test/cli.ts'

let hub: CliHub
beforeAll(async () => {
  hub = await openCliHub()
})
afterAll(() => hub.close())

async function connect(cwd: string, env: Record<string, string> = {}): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' })
  // stderr is the person's; this client shows nobody anything.
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [program, 'mcp'],
      cwd,
      env: { HOME: cwd, ...env },
      stderr: 'ignore',
    }),
  )
  return client
}

test('a client that starts commands reaches the running hub', async () => {
  const client = await connect('/', { SIGNALBOX_DATA_DIR: `${hub.folder}/.signalbox` })
  const { tools } = await client.listTools()
  expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(['agents_list', 'agent_run']))
  const answer = await client.callTool({ name: 'agent_run', arguments: { agent: 'echo', prompt: 'say:hello' } })
  expect(answer.structuredContent).toMatchObject({ status: 'succeeded', output: 'hello' })
  await client.close()
})

test('without a hub it starts none and says how to', async () => {
  await expect(connect('/', { SIGNALBOX_DATA_DIR: '/nowhere' })).rejects.toThrow(
    /signalbox up|does not answer|not running/,
  )
})
