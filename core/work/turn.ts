import type { ModelApi, Turn, TurnFile } from '../ports.ts'
import type { Limits } from '../shapes.ts'
import type { Claimed } from './lease.ts'

/** Defaults where an agent sets no limit, in seconds. */
export const DEFAULTS = { seconds: 1_800, silenceSeconds: 300, inputSeconds: 86_400 }

/** The relay, and which API each provider's models are called by. */
export type ModelEndpoint = { baseUrl: string; apis: Readonly<Record<string, ModelApi>> }

/** What the runtime is told about a claimed run. */
export function toTurn(
  claimed: Claimed,
  io: {
    modelEndpoint: ModelEndpoint | null
    defaultModel: string | null
    publicUrl: string | null
    limits: Limits
    deadline: Date
    readFile(id: string): Promise<Uint8Array>
  },
): Turn {
  const { run, session, agent, modelToken } = claimed
  const { definition } = agent
  const model = definition.model ?? io.defaultModel
  const files = claimed.files.map(
    (file): TurnFile => ({
      id: file.id,
      name: file.name,
      mediaType: file.mediaType,
      bytes: file.bytes,
      read: () => io.readFile(file.id),
    }),
  )
  return {
    runId: run.id,
    sessionId: session.id,
    agent: { id: agent.id, name: agent.name, number: agent.number, version: run.agentVersion },
    previous: session.ref,
    input: { text: run.input.text, files },
    instructions: definition.instructions,
    model,
    permissions: definition.permissions,
    // Secrets among them were refused when the agent was bound (runtime_cannot).
    env: Object.fromEntries(
      Object.entries(definition.env).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
    ),
    skills: definition.skills,
    mcpServers: definition.mcp_servers,
    workspace: null,
    modelEndpoint: toEndpoint(io.modelEndpoint, model, modelToken),
    mcpEndpoint: null,
    callbackUrl: io.publicUrl === null ? null : `${io.publicUrl}/api/v1/runtimes/${claimed.runtime.id}/callback`,
    limits: io.limits,
    deadline: io.deadline,
    traceparent: null,
  }
}

function toEndpoint(endpoint: ModelEndpoint | null, model: string | null, token: string): Turn['modelEndpoint'] {
  if (endpoint === null) return null
  const provider = model?.split('/', 1)[0] ?? ''
  return { baseUrl: endpoint.baseUrl, token, api: endpoint.apis[provider] ?? 'chat' }
}
