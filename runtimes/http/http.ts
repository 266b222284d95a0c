import {
  type Cancel,
  HubError,
  type Runtime,
  type RuntimeHost,
  type RuntimeIO,
  type RuntimeKind,
} from '../../core/index.ts'
import { followInbox, inboxStatus, receiveEvents } from './by-callback.ts'
import { askStatus, followRun, hasRun, tellRun } from './by-id.ts'
import type { Connection } from './connection.ts'
import { checkHealth } from './health.ts'
import { openAnswers } from './open-answers.ts'
import { type HttpRef, readRef } from './ref.ts'
import { HttpSettings, toCapabilities } from './settings.ts'
import { startRun } from './start.ts'

/** Any agent behind a URL that keeps the contract of docs/http-runtime.md. */
export const http: RuntimeKind<typeof HttpSettings> = {
  kind: 'http',
  title: 'HTTP agent',
  settings: HttpSettings,
  capabilities: toCapabilities,
  open: httpRuntime,
}

function httpRuntime(settings: HttpSettings, host: RuntimeHost): Runtime {
  const connection: Connection = { settings, resolveSecret: (reference) => host.resolveSecret(reference) }
  const answers = openAnswers()
  const can = toCapabilities(settings)
  /** Also when the hub did not live to see how the agent took the run. */
  const byCallback = ({ took }: HttpRef) => took === 'callback' || (took === null && settings.mode === 'async')

  async function cancel(
    ref: HttpRef,
    { reason }: Cancel,
    io: RuntimeIO,
  ): Promise<'accepted' | 'done' | 'already_terminal'> {
    if (can.cancel === 'cooperative') return tellRun(connection, ref, 'cancel', { reason }, io)
    if (byCallback(ref)) throw cannot('be stopped', 'cancel')
    const result = answers.cancel(ref.run_id)
    if (result !== 'lost') return result
    throw new HubError(
      'runtime_cannot',
      `The connection of run ${ref.run_id} is gone, and its agent has no other way to be stopped.`,
    )
  }

  return {
    kind: http.kind,
    health: (io) => checkHealth(connection, io),
    prepare: (turn) =>
      ({ run_id: turn.runId, session_id: turn.sessionId, took: settings.durable ? 'durable' : null }) satisfies HttpRef,

    async start(stored, turn, io) {
      const ref = readRef(stored)
      if (answers.has(ref.run_id)) return { ...ref, took: 'body' }
      return { ...ref, took: await startRun(connection, answers, ref, turn, io) }
    },

    ...(settings.durable && {
      find: async (stored, _turn, io) => ((await hasRun(connection, readRef(stored), io)) ? stored : null),
    }),

    stream(stored, io) {
      const ref = readRef(stored)
      if (ref.took === 'durable') return followRun(connection, ref, io)
      if (byCallback(ref)) return followInbox(host, ref, io)
      return answers.follow(ref.run_id, io.cursor, io.signal)
    },

    async status(stored, io) {
      const ref = readRef(stored)
      if (ref.took === 'durable') return askStatus(connection, ref, io)
      if (byCallback(ref)) return inboxStatus(host, ref, io)
      return answers.status(ref.run_id)
    },

    async send(stored, message, io) {
      const ref = readRef(stored)
      switch (message.type) {
        case 'cancel':
          return { result: await cancel(ref, message, io) }
        case 'answer': {
          if (!settings.answers) throw cannot('take answers', 'answers')
          const { interruptId, option, text, note } = message
          const body = {
            interrupt_id: interruptId,
            option,
            ...(text !== undefined && { text }),
            ...(note !== undefined && { note }),
          }
          const result = await tellRun(connection, ref, 'answer', body, io)
          answers.resolve(ref.run_id, interruptId)
          return { result }
        }
        case 'steer':
          if (!settings.steer) throw cannot('be steered', 'steer')
          return { result: await tellRun(connection, ref, 'steer', { text: message.text }, io) }
      }
    },

    receive: (request) => receiveEvents(connection, request),
    close: async () => answers.closeAll(),
  }
}

function cannot(what: string, setting: string): HubError {
  return new HubError('runtime_cannot', `This agent cannot ${what}.`, {
    hint: `If it can, set \`${setting}: true\` in the settings of the runtime.`,
  })
}
