import { describe, expect, test } from 'vitest'
import { missing, oracles } from './mcp-oracles.ts'

describe.skipIf(missing !== null)(
  `independent judges of the MCP server${missing === null ? '' : ` (${missing})`}`,
  () => {
    test.each(oracles)('$name', { timeout: 180_000 }, async ({ ask }) => {
      const { checks, problems } = await ask()
      expect(problems).toEqual([])
      expect(checks).toBeGreaterThan(0)
    })
  },
)
