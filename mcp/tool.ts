/**
 * What a tool is: data, two schemas and one call into core. A tool's file exports one `tool({...})`;
 * `tools/index.ts` lists them in the order clients see.
 */
import type { ToolAnnotations } from '@modelcontextprotocol/server'
import type * as z from 'zod'
import { type Actor, type Core, HubError, type Run } from '../core/index.ts'

export type ToolContext = {
  /** Aborts when the caller cancels the call; that alone never stops a run. */
  signal: AbortSignal
  /** True: the caller takes a task handle, so return as soon as the run is accepted. */
  asTask: boolean
  /** Tells the caller how far the work is; absent when it did not ask. `progress` must grow. */
  progress?: (progress: number, message: string) => Promise<void>
}

/** A link to a resource of this server that holds more than the answer. */
export type Link = { uri: string; name: string; description: string; mimeType: string }

export type Answer<Output> = {
  structured: Output
  /** What a model reads: short, with every id that the next call needs. */
  text: string
  links?: Link[]
  /** The run that the answer is about, as it is now. */
  run?: Run
}

type Definition<Input extends z.ZodType, Output extends z.ZodType> = {
  /** noun_verb in snake_case, at most 24 characters: clients put the server's name before it and cut at 60. */
  name: string
  title: string
  description: string
  input: Input
  output: Output
  annotations: ToolAnnotations
  /**
   * For tools that answer with a run. starts: the call hands it work, so that a caller who takes task handles gets one.
   * Both: what the run waits for may be put to the person at the client before the answer.
   */
  runs?: 'starts' | 'follows'
  handler: (core: Core, actor: Actor, input: z.output<Input>, context: ToolContext) => Promise<Answer<z.input<Output>>>
}

export type Tool = Omit<Definition<z.ZodType, z.ZodType>, 'handler'> & {
  /** Parses the arguments, then calls. Throws invalid_request that names every problem, and what core throws. */
  call: (core: Core, actor: Actor, input: unknown, context: ToolContext) => Promise<Answer<unknown>>
}

export function tool<Input extends z.ZodType, Output extends z.ZodType>(definition: Definition<Input, Output>): Tool {
  const { handler, ...data } = definition
  return {
    ...data,
    call: (core, actor, input, context) =>
      handler(core, actor, parseArguments(data.name, data.input, input ?? {}), context),
  }
}

function parseArguments<Input extends z.ZodType>(name: string, schema: Input, input: unknown): z.output<Input> {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const details = parsed.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }))
  const problems = details.map((problem) => (problem.path ? `${problem.path}: ${problem.message}` : problem.message))
  throw new HubError('invalid_request', `The arguments of ${name} are wrong. ${problems.join('; ')}.`, {
    hint: `Correct the arguments and call ${name} again; tools/list has its schema.`,
    details,
  })
}
