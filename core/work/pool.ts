import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { faultMessage, HubError } from '../errors.ts'
import type { InboxEvent, Log, Runtime } from '../ports.ts'
import type { Capabilities, RuntimeDefinition } from '../shapes.ts'
import type { Kinds } from './bind.ts'

export type Registered = { id: string; name: string; definition: RuntimeDefinition }
export type Pool = ReturnType<typeof createPool>

/** The adapters of this process: one for each registered runtime and its settings, opened when first needed. */
export function createPool(input: {
  kinds: Kinds
  dataDir: string
  log: Log
  resolveSecret(reference: string): Promise<string>
  inbox(runId: string, afterSeq: number, signal: AbortSignal): AsyncIterable<InboxEvent>
}) {
  const opened = new Map<string, { key: string; runtime: Promise<Runtime> }>()

  function kindOf({ name, definition }: Registered) {
    const kind = input.kinds.get(definition.kind)
    if (!kind)
      throw new HubError('runtime_unavailable', `This hub has no runtime kind ${definition.kind} (runtime ${name}).`)
    return { kind, settings: kind.settings.parse(definition.settings) }
  }

  return {
    open(registered: Registered): Promise<Runtime> {
      const { kind, settings } = kindOf(registered)
      const key = JSON.stringify([registered.definition.kind, registered.definition.settings])
      const known = opened.get(registered.id)
      if (known?.key === key) return known.runtime
      const runtime = (async () => {
        // Changed settings: the adapter of the old ones ends first, so that two never hold the same folder.
        await known?.runtime.then((old) => old.close?.()).catch(() => {})
        const dataDir = join(input.dataDir, 'runtimes', registered.id)
        await mkdir(dataDir, { recursive: true, mode: 0o700 })
        return await kind.open(settings, {
          runtimeId: registered.id,
          name: registered.name,
          dataDir,
          resolveSecret: input.resolveSecret,
          inbox: input.inbox,
          log: input.log,
        })
      })()
      const entry = { key, runtime }
      opened.set(registered.id, entry)
      // A failed opening is not kept: the next run tries again.
      runtime.catch(() => {
        if (opened.get(registered.id) === entry) opened.delete(registered.id)
      })
      return runtime
    },
    capabilities(registered: Registered): Capabilities {
      const { kind, settings } = kindOf(registered)
      return kind.capabilities(settings)
    },
    async close(): Promise<void> {
      await Promise.all(
        [...opened.values()].map(({ runtime }) =>
          runtime
            .then((open) => open.close?.())
            .catch((error: unknown) => input.log.warn('closing a runtime failed', { error: faultMessage(error) })),
        ),
      )
      opened.clear()
    },
  }
}
