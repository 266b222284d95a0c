/** `stdioBridge` as a process of its own, for tests: URL and token come by environment; TEST_HUB_FILE says where the hub is now. */
import { readFile } from 'node:fs/promises'
import { stdioBridge } from '../mcp/index.ts'

const { TEST_HUB_URL = '', TEST_HUB_TOKEN = '', TEST_HUB_FILE } = process.env
await stdioBridge({
  url: TEST_HUB_URL,
  token: TEST_HUB_TOKEN,
  ...(TEST_HUB_FILE
    ? { locate: async () => JSON.parse(await readFile(TEST_HUB_FILE, 'utf8')) as { url: string; token: string } }
    : {}),
})
