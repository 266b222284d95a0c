/** Tools that ask by their result and are called again with the answer (2026-07-28, multi round-trip requests). */
import { randomBytes } from 'node:crypto'
import {
  acceptedContent,
  createRequestStateCodec,
  inputRequired,
  type ServerContext,
} from '@modelcontextprotocol/server'
import * as z from 'zod'
import { text } from './content.ts'
import { declared, type FixtureTool } from './fixture-tool.ts'

/** Seals what travels through the client, so that a tampered state is refused. */
export const states = createRequestStateCodec<Record<string, unknown>>({ key: randomBytes(32), ttlSeconds: 600 })

const elicit = (message: string, field: string) =>
  inputRequired.elicit({
    message,
    requestedSchema: { type: 'object', properties: { [field]: { type: 'string' } }, required: [field] },
  })

const confirm = () =>
  inputRequired.elicit({
    message: 'Please confirm',
    requestedSchema: { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] },
  })

const sample = (prompt: string) =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens: 100 })

/** The text a person gave for a field; undefined when it was not given. */
function given({ mcpReq }: ServerContext, key: string, field: string): string | undefined {
  return acceptedContent(mcpReq.inputResponses, key, z.looseObject({ [field]: z.string() }))?.[field] as
    | string
    | undefined
}

const Sampled = z.looseObject({ content: z.looseObject({ text: z.string() }) })
const Roots = z.looseObject({ roots: z.array(z.unknown()) })

export const inputTools: Record<string, FixtureTool> = {
  test_input_required_result_elicitation: {
    description: 'Asks for a name',
    call: (_input, context) => {
      const name = given(context, 'user_name', 'name')
      return name === undefined
        ? inputRequired({ inputRequests: { user_name: elicit('What is your name?', 'name') } })
        : text(`Hello, ${name}!`)
    },
  },
  test_input_required_result_sampling: {
    description: 'Asks for a completion',
    call: (_input, { mcpReq }) => {
      const sampled = Sampled.safeParse(mcpReq.inputResponses?.sample_request)
      return sampled.success
        ? text(`Sampling result: ${sampled.data.content.text}`)
        : inputRequired({ inputRequests: { sample_request: sample('What is the capital of France?') } })
    },
  },
  test_input_required_result_list_roots: {
    description: 'Asks for the roots',
    call: (_input, { mcpReq }) => {
      const roots = Roots.safeParse(mcpReq.inputResponses?.roots_request)
      return roots.success
        ? text(`Found ${roots.data.roots.length} root(s)`)
        : inputRequired({ inputRequests: { roots_request: inputRequired.listRoots() } })
    },
  },
  test_input_required_result_request_state: {
    description: 'Gives a state and wants it back',
    call: async (_input, context) => {
      const state = context.mcpReq.requestState<{ kind: string }>()
      const confirmed = acceptedContent(
        context.mcpReq.inputResponses,
        'confirm',
        z.looseObject({ ok: z.literal(true) }),
      )
      if (state?.kind === 'request-state' && confirmed) return text('state-ok: requestState validated')
      return inputRequired({
        inputRequests: { confirm: confirm() },
        requestState: await states.mint({ kind: 'request-state' }, context),
      })
    },
  },
  test_input_required_result_tampered_state: {
    description: 'Refuses a state that was changed on its way',
    call: async (_input, context) => {
      const state = context.mcpReq.requestState<{ kind: string }>()
      if (state?.kind === 'tamper-test' && context.mcpReq.inputResponses?.confirm)
        return text('integrity-ok: state verified')
      return inputRequired({
        inputRequests: { confirm: confirm() },
        requestState: await states.mint({ kind: 'tamper-test' }, context),
      })
    },
  },
  test_input_required_result_multiple_inputs: {
    description: 'Asks for three things at once',
    call: async (_input, context) => {
      const { inputResponses } = context.mcpReq
      const name = given(context, 'user_name', 'name')
      const greeting = Sampled.safeParse(inputResponses?.greeting)
      const roots = Roots.safeParse(inputResponses?.client_roots)
      if (name !== undefined && greeting.success && roots.success) {
        return text(`Name: ${name}; Greeting: ${greeting.data.content.text}; Roots: ${roots.data.roots.length}`)
      }
      return inputRequired({
        inputRequests: {
          user_name: elicit('What is your name?', 'name'),
          greeting: sample('Generate a greeting'),
          client_roots: inputRequired.listRoots(),
        },
        requestState: await states.mint({ kind: 'multiple-inputs' }, context),
      })
    },
  },
  test_input_required_result_multi_round: {
    description: 'Asks twice, one after the other',
    call: async (_input, context) => {
      const state = context.mcpReq.requestState<{ round: number; name?: string }>()
      const name = given(context, 'step1', 'name')
      const color = given(context, 'step2', 'color')
      if (state?.round === 2 && color !== undefined)
        return text(`Multi-round complete for ${state.name} who likes ${color}`)
      if (state?.round === 1 && name !== undefined) {
        return inputRequired({
          inputRequests: { step2: elicit('Step 2: What is your favorite color?', 'color') },
          requestState: await states.mint({ round: 2, name }, context),
        })
      }
      return inputRequired({
        inputRequests: { step1: elicit('Step 1: What is your name?', 'name') },
        requestState: await states.mint({ round: 1 }, context),
      })
    },
  },
  test_input_required_result_capabilities: {
    description: 'Asks only for what the client can give',
    call: (_input, context) => {
      const answered = Object.keys(context.mcpReq.inputResponses ?? {})
      if (answered.length > 0) return text(`capabilities-ok: received ${answered.join(',')}`)
      const inputRequests = {
        ...(declared(context, 'elicitation') ? { elicit_input: elicit('Elicitation input', 'value') } : {}),
        ...(declared(context, 'sampling') ? { sample_input: sample('Sample request') } : {}),
      }
      return Object.keys(inputRequests).length > 0
        ? inputRequired({ inputRequests })
        : text('No supported capabilities declared')
    },
  },
}
