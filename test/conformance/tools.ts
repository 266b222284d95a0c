/** The tools that the conformance suite calls by name, in both protocol eras. */
import { setTimeout as delay } from 'node:timers/promises'
import { MissingRequiredClientCapabilityError } from '@modelcontextprotocol/server'
import { PNG, text, WAV } from './content.ts'
import { elicitationTools } from './elicitation-tools.ts'
import { declared, type FixtureTool } from './fixture-tool.ts'
import { inputTools } from './input-tools.ts'

export type Changes = { toolsChanged: () => void; promptsChanged: () => void }

const string = { type: 'string' }

export function fixtureTools(changes: Changes): Record<string, FixtureTool> {
  return {
    test_simple_text: {
      description: 'Answers with text',
      call: () => text('This is a simple text response for testing.'),
    },
    test_image_content: {
      description: 'Answers with an image',
      call: () => ({ content: [{ type: 'image', data: PNG, mimeType: 'image/png' }] }),
    },
    test_audio_content: {
      description: 'Answers with audio',
      call: () => ({ content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] }),
    },
    test_embedded_resource: {
      description: 'Answers with a resource',
      call: () => ({
        content: [
          {
            type: 'resource',
            resource: {
              uri: 'test://embedded-resource',
              mimeType: 'text/plain',
              text: 'This is an embedded resource content.',
            },
          },
        ],
      }),
    },
    test_multiple_content_types: {
      description: 'Answers with text, an image and a resource',
      call: () => ({
        content: [
          { type: 'text', text: 'Multiple content types test:' },
          { type: 'image', data: PNG, mimeType: 'image/png' },
          {
            type: 'resource',
            resource: {
              uri: 'test://mixed-content-resource',
              mimeType: 'application/json',
              text: '{"test":"data","value":123}',
            },
          },
        ],
      }),
    },
    test_tool_with_logging: {
      description: 'Logs while it works',
      call: async (_input, context) => {
        for (const line of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
          await context.mcpReq.log('info', line)
          await delay(50)
        }
        return text('Tool with logging executed successfully')
      },
    },
    test_tool_with_progress: {
      description: 'Tells progress while it works',
      call: async (_input, { mcpReq }) => {
        const progressToken = mcpReq._meta?.progressToken ?? 0
        for (const progress of [0, 50, 100]) {
          await mcpReq.notify({
            method: 'notifications/progress',
            params: { progressToken, progress, total: 100, message: `Completed step ${progress} of 100` },
          })
          await delay(50)
        }
        return text(String(progressToken))
      },
    },
    test_error_handling: {
      description: 'Fails',
      call: () => {
        throw new Error('This tool intentionally returns an error for testing')
      },
    },
    test_reconnection: {
      description: 'Closes its stream and answers after the client came back',
      call: async (_input, context) => {
        context.http?.closeSSE?.()
        await delay(100)
        return text('Reconnection test completed successfully.')
      },
    },
    test_sampling: {
      description: 'Asks the client for a completion',
      inputSchema: { type: 'object', properties: { prompt: string }, required: ['prompt'] },
      call: async ({ prompt }, { mcpReq }) => {
        const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: String(prompt) } }]
        const { content } = await mcpReq.requestSampling({ messages, maxTokens: 100 })
        return text(
          `LLM response: ${!Array.isArray(content) && content.type === 'text' ? content.text : 'No response'}`,
        )
      },
    },
    json_schema_2020_12_tool: {
      description: 'Has an input schema with the vocabulary of JSON Schema 2020-12',
      inputSchema: {
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        type: 'object',
        $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: string, city: string } } },
        properties: {
          name: string,
          address: { $ref: '#/$defs/address' },
          contactMethod: { type: 'string', enum: ['phone', 'email'] },
          phone: string,
          email: string,
        },
        allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
        // oxlint-disable unicorn/no-thenable -- a keyword of JSON Schema
        if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
        // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
        then: { required: ['phone'] },
        else: { required: ['email'] },
        additionalProperties: false,
      },
      call: (input) => text(`JSON Schema 2020-12 tool called with: ${JSON.stringify(input)}`),
    },
    test_x_mcp_header: {
      description: 'Has a parameter that travels in a header',
      inputSchema: {
        type: 'object',
        properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
        required: ['region'],
      },
      call: ({ region }) => text(`Region: ${String(region)}`),
    },
    test_missing_capability: {
      description: 'Needs a client that can sample',
      call: (_input, context) => {
        if (!declared(context, 'sampling'))
          throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } })
        return text('Success')
      },
    },
    test_streaming_elicitation: {
      description: 'Tells progress before its answer',
      call: async (_input, { mcpReq }) => {
        await mcpReq.notify({
          method: 'notifications/progress',
          params: { progressToken: mcpReq._meta?.progressToken ?? 'stream', progress: 50, total: 100 },
        })
        return text('Streaming complete')
      },
    },
    test_logging_tool: {
      description: 'Logs where the request asks for it',
      call: async (_input, { mcpReq }) => {
        await mcpReq.log('info', 'Diagnostic trace logging activated')
        return text('Logging evaluated')
      },
    },
    test_trigger_tool_change: {
      description: 'Says that the tools changed',
      call: () => {
        changes.toolsChanged()
        return text('Mutation triggered')
      },
    },
    test_trigger_prompt_change: {
      description: 'Says that the prompts changed',
      call: () => {
        changes.promptsChanged()
        return text('Mutation triggered')
      },
    },
    ...elicitationTools,
    ...inputTools,
  }
}
