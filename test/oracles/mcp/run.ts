/** Asks every independent judge of the MCP server and prints a line for each: `npx tsx test/oracles/mcp/run.ts`. */
import { missing, oracles } from '../../mcp-oracles.ts'

if (missing !== null) {
  console.error(`cannot ask: ${missing}`)
  process.exit(2)
}
let failed = 0
for (const { name, ask } of oracles) {
  const { checks, problems } = await ask()
  const ok = problems.length === 0 && checks > 0
  if (!ok) failed += 1
  console.log(`${ok ? 'pass' : 'FAIL'}  ${name} (${checks} checks)`)
  for (const problem of problems) console.log(`      ${problem}`)
}
process.exit(failed === 0 ? 0 : 1)
