/** Tools that ask the person by a request of their own (2025-11-25 and older). */
import type { CallToolResult, ElicitRequestFormParams, ServerContext } from '@modelcontextprotocol/server'
import { text } from './content.ts'
import type { FixtureTool } from './fixture-tool.ts'

async function ask(context: ServerContext, said: string, params: ElicitRequestFormParams): Promise<CallToolResult> {
  // Not elicitInput, which refuses answers that do not fit the form: the suite sends one and wants it told.
  const { action, content } = await context.mcpReq.send({ method: 'elicitation/create', params })
  return text(`${said}: action=${action}, content=${JSON.stringify(content ?? {})}`)
}

export const elicitationTools: Record<string, FixtureTool> = {
  test_elicitation: {
    description: 'Asks the person',
    inputSchema: { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] },
    call: ({ message }, context) =>
      ask(context, 'User response', {
        message: String(message),
        requestedSchema: {
          type: 'object',
          properties: { response: { type: 'string', description: "User's response" } },
          required: ['response'],
        },
      }),
  },
  test_elicitation_sep1034_defaults: {
    description: 'Asks with defaults of every primitive type',
    call: (_input, context) =>
      ask(context, 'Elicitation completed', {
        message: 'Please review and update the form fields with defaults',
        requestedSchema: {
          type: 'object',
          properties: {
            name: { type: 'string', description: 'User name', default: 'John Doe' },
            age: { type: 'integer', description: 'User age', default: 30 },
            score: { type: 'number', description: 'User score', default: 95.5 },
            status: {
              type: 'string',
              description: 'User status',
              enum: ['active', 'inactive', 'pending'],
              default: 'active',
            },
            verified: { type: 'boolean', description: 'Verification status', default: true },
          },
          required: [],
        },
      }),
  },
  test_elicitation_sep1330_enums: {
    description: 'Asks with every form of enum',
    call: (_input, context) =>
      ask(context, 'Elicitation completed', {
        message: 'Please select options from the enum fields',
        requestedSchema: {
          type: 'object',
          properties: {
            untitledSingle: {
              type: 'string',
              description: 'Select one option',
              enum: ['option1', 'option2', 'option3'],
            },
            titledSingle: {
              type: 'string',
              description: 'Select one option with titles',
              oneOf: [
                { const: 'value1', title: 'First Option' },
                { const: 'value2', title: 'Second Option' },
                { const: 'value3', title: 'Third Option' },
              ],
            },
            legacyEnum: {
              type: 'string',
              description: 'Select one option (legacy)',
              enum: ['opt1', 'opt2', 'opt3'],
              enumNames: ['Option One', 'Option Two', 'Option Three'],
            },
            untitledMulti: {
              type: 'array',
              description: 'Select multiple options',
              minItems: 1,
              maxItems: 3,
              items: { type: 'string', enum: ['option1', 'option2', 'option3'] },
            },
            titledMulti: {
              type: 'array',
              description: 'Select multiple options with titles',
              minItems: 1,
              maxItems: 3,
              items: {
                anyOf: [
                  { const: 'value1', title: 'First Choice' },
                  { const: 'value2', title: 'Second Choice' },
                  { const: 'value3', title: 'Third Choice' },
                ],
              },
            },
          },
          required: [],
        },
      }),
  },
}
