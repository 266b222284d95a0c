/** What a prompt is: something a person picks in their client; a file in `prompts/` exports one, `prompts/index.ts` lists them. */
import type { Actor, Core } from '../core/index.ts'

export type PromptArgument = {
  name: string
  description: string
  complete?: (core: Core, actor: Actor, start: string) => Promise<string[]>
}

export type Prompt = {
  name: string
  title: string
  description: string
  /** All of them required. */
  arguments: readonly PromptArgument[]
  /** The text of the one message, from the person. Every argument is there. */
  text: (core: Core, actor: Actor, values: Record<string, string>) => Promise<string> | string
}
