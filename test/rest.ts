import * as z from 'zod'
import { webApp } from '../web/app.ts'
import type { WebOptions } from '../web/env.ts'
import { openTestCore, quiet, type TestCore } from './core.ts'

export type Answer<T = Record<string, unknown>> = { status: number; headers: Headers; body: T }
type Request = {
  body?: unknown
  /** Sent as it is, instead of `body` as JSON. */
  raw?: string | FormData | Uint8Array<ArrayBuffer>
  headers?: Record<string, string>
  /** Null: without one. */
  token?: string | null
}

export type TestRest = TestCore & {
  app: ReturnType<typeof webApp>
  /** Every JSON answer is checked against the OpenAPI document: its status must be declared and its body must fit. */
  call: <T = Record<string, unknown>>(method: string, path: string, request?: Request) => Promise<Answer<T>>
  /** `operationId status` of every answer so far. */
  seen: Set<string>
  document: Document
}

type Document = {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, unknown> }
}
type Operation = {
  operationId: string
  responses: Record<string, { content?: Record<string, { schema: unknown }> }>
}

/** The REST API on a core of its own, asked without a network. */
export async function openRest(
  options: Parameters<typeof openTestCore>[0] & { web?: Partial<WebOptions> } = {},
): Promise<TestRest> {
  const hub = await openTestCore(options)
  const app = webApp(hub.core, { log: options.log ?? quiet, ...options.web })
  const document = (await (await app.request('/openapi.json')).json()) as Document
  const contract = readContract(document)
  const seen = new Set<string>()

  return {
    ...hub,
    app,
    seen,
    document,
    async call<T>(method: string, path: string, { body, raw, headers = {}, token = hub.token }: Request = {}) {
      const url = path.startsWith('/healthz') || path.startsWith('/readyz') ? path : `/api/v1${path}`
      const response = await app.request(url, {
        method,
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(raw !== undefined ? { body: raw } : body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false
      const answer = isJson ? JSON.parse(text) : text
      seen.add(contract.check(method, url, response.status, isJson ? answer : undefined))
      return { status: response.status, headers: response.headers, body: answer as T }
    },
  }
}

function readContract(document: Document) {
  const operations = Object.entries(document.paths)
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
    )
    // Plain paths first: `/runtimes/kinds` is not a runtime.
    .sort((a, b) => Number(a.path.includes('{')) - Number(b.path.includes('{')))
  const definitions = closed(renamed(document.components.schemas)) as Record<string, unknown>
  const validators = new Map<string, z.ZodType>()

  return {
    check(method: string, url: string, status: number, body: unknown): string {
      const path = url.split('?', 1)[0]!
      const found = operations.find(
        (candidate) =>
          candidate.method === method && new RegExp(`^${candidate.path.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(path),
      )
      // Not a route at all: its answer is an error like any other.
      const { operationId, responses } = found?.operation ?? { operationId: 'none', responses: {} }
      const declared = found ? responses[String(status)] : { content: { 'application/json': { schema: ERROR } } }
      if (!declared) throw new Error(`${operationId} answered ${status}, which the document does not know`)
      if (body !== undefined) {
        const schema = declared.content?.['application/json']?.schema
        if (!schema) throw new Error(`${operationId} ${status} answered JSON, which the document does not know`)
        const key = `${operationId} ${status}`
        const validator =
          validators.get(key) ??
          z.fromJSONSchema({ ...(closed(renamed(schema)) as object), $defs: definitions } as never)
        validators.set(key, validator)
        const result = validator.safeParse(body)
        if (!result.success) {
          throw new Error(`${key} does not fit the document: ${result.error.message} in ${JSON.stringify(body)}`)
        }
      }
      return `${operationId} ${status}`
    },
  }
}

const ERROR = { $ref: '#/components/schemas/Error' }

/** JSON Schema keeps its definitions elsewhere than OpenAPI. */
const renamed = (schema: unknown): unknown =>
  JSON.parse(JSON.stringify(schema).replaceAll('#/components/schemas/', '#/$defs/'))

/** The same schema, but a field that it does not name is a mistake. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (schema === null || typeof schema !== 'object') return schema
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]))
  const isObject = 'properties' in inner && !('additionalProperties' in inner)
  return isObject ? { ...inner, additionalProperties: false } : inner
}
