import { HubError } from '../errors.ts'
import type { Actor } from './actor.ts'

export type Action = 'invoke' | 'observe' | 'steer' | 'stop' | 'approve' | 'edit' | 'administer'
export type Resource = {
  type: 'agent' | 'runtime' | 'schedule' | 'session' | 'run' | 'approval' | 'file' | 'token' | 'hub'
  id: string
}

/**
 * The one place where access is decided; every core call comes through here. The rules as they stand: whoever holds a
 * valid token may work with every agent, and only administrators may administer (tokens and users of others).
 */
export function authorize(actor: Actor, action: Action, resource: Resource): void {
  if (action === 'administer' && !actor.admin) {
    throw new HubError('forbidden', `${actor.name} may not administer ${resource.type} ${resource.id}.`)
  }
}
