import { type ModelApi, RuntimeRejection, type Turn } from '../../core/index.ts'
import type { Model } from './client.ts'

/** How a session reaches models, and whether it may run commands. */
export type Access = {
  baseUrl: string
  token: string
  api: ModelApi
  model: Model
  commands: boolean
  limits: { context: number; output: number }
}

/** What OpenCode calls an API by. All three are part of its program: nothing is fetched. */
const PACKAGES: Record<ModelApi, string> = {
  messages: '@ai-sdk/anthropic',
  responses: '@ai-sdk/openai',
  chat: '@ai-sdk/openai-compatible',
}

/** The one agent that each folder has in OpenCode; every prompt names it, since without that OpenCode takes its own. */
export const AGENT = 'signalbox'

/** Tools by the names that agents use for them, and the name of their permission in OpenCode. */
const TOOLS: Record<string, string> = {
  '*': '*',
  read: 'read',
  edit: 'edit',
  write: 'edit',
  apply_patch: 'edit',
  glob: 'glob',
  grep: 'grep',
  bash: 'bash',
  webfetch: 'webfetch',
  todowrite: 'todowrite',
  question: 'question',
}
const STRICTER = ['allow', 'ask', 'deny'] as const

type Rules = Record<string, 'allow' | 'ask' | 'deny'>

/**
 * What the plugin puts into OpenCode's configuration for one folder: one agent, one provider (the hub's relay), the rules. The
 * session's token is not in it: it changes with each run and is put on each call.
 */
export function sessionConfig(turn: Turn, access: Access, shell: string | null) {
  const { providerID, modelID } = access.model
  const name = `${providerID}/${modelID}`
  return {
    model: name,
    small_model: name,
    default_agent: AGENT,
    enabled_providers: [providerID],
    provider: {
      [providerID]: {
        name: providerID,
        npm: PACKAGES[access.api],
        options: { baseURL: `${access.baseUrl}/${providerID}/v1`, apiKey: 'given by the hub' },
        models: { [modelID]: { name: modelID, tool_call: true, limit: access.limits } },
      },
    },
    agent: {
      // Instructions take the place of OpenCode's own prompt; without any, that one holds.
      [AGENT]: {
        mode: 'primary',
        model: name,
        permission: rules(turn.permissions, access.commands),
        ...(turn.instructions.trim() === '' ? {} : { prompt: turn.instructions }),
      },
      build: { disable: true },
      plan: { disable: true },
      general: { disable: true },
      explore: { disable: true },
    },
    // Filled in when agents can have them here; an agent that names some is refused until then.
    mcp: {},
    skills: { paths: [] },
    // A rejected call is told to the model, which goes on without it.
    experimental: { continue_loop_on_deny: true },
    ...(shell === null ? {} : { shell }),
  }
}

/**
 * The agent's rules over these: what is needed for work is allowed, what leaves the workspace is not. Throws where the agent asks
 * for what there is not here, so that nothing is dropped in silence.
 */
export function rules(wanted: Turn['permissions'], commands: boolean): Rules {
  const asked: Rules = {}
  for (const [tool, action] of Object.entries(wanted)) {
    const permission = TOOLS[tool]
    if (permission === undefined) {
      const known = Object.keys(TOOLS).join(', ')
      throw new RuntimeRejection(
        'runtime_rejected',
        `The inline harness has no tool ${tool} to set a permission for. It has: ${known}.`,
      )
    }
    asked[permission] = stricter(asked[permission], action)
  }
  if (!commands && wanted.bash !== undefined && wanted.bash !== 'deny') {
    throw new RuntimeRejection(
      'runtime_rejected',
      'The agent asks for bash, and the inline harness runs no commands here: `signalbox doctor` says why and what to do.',
    )
  }
  const { '*': all = 'allow', ...others } = asked
  return {
    '*': all,
    // What reaches out is closed unless the agent opens it by name.
    webfetch: 'deny',
    ...others,
    ...(commands ? {} : { bash: 'deny' as const }),
    // Subagents read any file that their prompt names with @, and skills come from folders outside: neither passes the plugin's checks.
    task: 'deny',
    skill: 'deny',
    websearch: 'deny',
    lsp: 'deny',
    external_directory: 'deny',
    doom_loop: 'deny',
  }
}

function stricter(a: Rules[string] | undefined, b: Rules[string]): Rules[string] {
  if (a === undefined) return b
  return STRICTER.indexOf(a) > STRICTER.indexOf(b) ? a : b
}

/** `provider/model`, cut at the first slash. */
export function toModel(model: string | null): Model {
  const slash = model?.indexOf('/') ?? -1
  if (model === null)
    throw new RuntimeRejection(
      'runtime_rejected',
      'The agent names no model, and neither the hub nor this runtime has a default.',
    )
  if (slash <= 0 || slash === model.length - 1)
    throw new RuntimeRejection('runtime_rejected', `The model ${model} is not of the form provider/model.`)
  return { providerID: model.slice(0, slash), modelID: model.slice(slash + 1) }
}
