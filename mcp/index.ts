/** The one door to the MCP surface. */
export { type McpOptions, mcpApp } from './server.ts'
export { type BridgeOptions, stdioBridge } from './stdio.ts'
