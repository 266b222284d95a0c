import {
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  type InputRequiredResult,
  type ServerContext,
} from '@modelcontextprotocol/server'

export type FixtureTool = {
  description: string
  inputSchema?: { type: 'object' } & Record<string, unknown>
  call: (
    input: Record<string, unknown>,
    context: ServerContext,
  ) => Promise<CallToolResult | InputRequiredResult> | CallToolResult | InputRequiredResult
}

/** What the request itself says that its client can do. */
export function declared(context: ServerContext, capability: string): boolean {
  const envelope: Record<string, unknown> | undefined = context.mcpReq.envelope
  const capabilities = envelope?.[CLIENT_CAPABILITIES_META_KEY]
  return typeof capabilities === 'object' && capabilities !== null && capability in capabilities
}
