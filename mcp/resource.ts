/** What a readable resource is; a file in `resources/` exports one, `resources/index.ts` lists them. */
import type { Actor, Core } from '../core/index.ts'

export type Resource = {
  name: string
  title: string
  description: string
  mimeType: string
  uriTemplate: `${string}{id}${string}`
  read: (core: Core, actor: Actor, id: string) => Promise<string>
  /** Ids that begin with what was typed. */
  complete: (core: Core, actor: Actor, start: string) => Promise<string[]>
}
