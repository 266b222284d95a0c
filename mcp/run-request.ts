import * as z from 'zod'
import type { Actor } from '../core/index.ts'

export const DEFAULT_WAIT_SECONDS = 25

/** Clients cut calls at about 60 seconds, so that none waits longer than this. */
export const WaitSeconds = z.number().int().min(0).max(45).describe('How long to wait for it to be over, 0 to 45.')

/** The key under which core knows a repeat: made here from who asks and their key, so that callers cannot meet each other's. */
export function requestKey(actor: Actor, key: string | undefined): { requestKey?: string } {
  return key === undefined ? {} : { requestKey: `mcp:${actor.userId}:${key}` }
}
