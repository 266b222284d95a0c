import { RuntimeRejection, type Turn } from '../../core/index.ts'
import type { HttpSettings } from './settings.ts'

const MAX_FILE_BYTES = 10 * 1024 * 1024

/** The body of `POST {url}`. Throws RuntimeRejection for files that the agent does not take or that are too large. */
export async function toRequest(turn: Turn, { accepts }: HttpSettings, callbackUrl: string | null) {
  return {
    run_id: turn.runId,
    session_id: turn.sessionId,
    agent: { id: turn.agent.id, name: turn.agent.name, version: turn.agent.version },
    input: { text: turn.input.text, files: await toFiles(turn, accepts.files) },
    config: {
      instructions: turn.instructions,
      model: turn.model,
      env: turn.env,
      skills: turn.skills,
      mcp_servers: turn.mcpServers,
      permissions: turn.permissions,
      workspace: turn.workspace,
      limits: turn.limits,
      deadline: turn.deadline.toISOString(),
      // Tokens leave the hub only where the settings ask for them.
      model_endpoint:
        accepts.model_endpoint && turn.modelEndpoint
          ? { base_url: turn.modelEndpoint.baseUrl, token: turn.modelEndpoint.token }
          : null,
      mcp_endpoint: accepts.mcp_servers ? turn.mcpEndpoint : null,
    },
    callback: callbackUrl === null ? null : { url: callbackUrl },
  }
}

async function toFiles({ input }: Turn, accepted: boolean) {
  if (input.files.length === 0) return []
  if (!accepted)
    throw new RuntimeRejection(
      'runtime_rejected',
      'This agent reads no files; if it does, set `accepts: {files: true}` in the settings of the runtime.',
    )
  const bytes = input.files.reduce((sum, file) => sum + file.bytes, 0)
  if (bytes > MAX_FILE_BYTES)
    throw new RuntimeRejection(
      'runtime_rejected',
      `The files have ${bytes} bytes together; an http agent is sent at most ${MAX_FILE_BYTES}.`,
    )
  return Promise.all(
    input.files.map(async (file) => ({
      id: file.id,
      name: file.name,
      media_type: file.mediaType,
      bytes: file.bytes,
      content_base64: Buffer.from(await file.read()).toString('base64'),
    })),
  )
}
