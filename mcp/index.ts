/** The one door to the MCP surface. */
export { type McpOptions, mcpApp } from './server.ts'
export { stdioBridge } from './stdio.ts'
