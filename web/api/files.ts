import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type Core, FileInfo, HubError } from '../../core/index.ts'
import type { Api, WebEnv } from '../env.ts'
import { once } from '../idempotency.ts'
import { errors, IdempotencyHeader, IdParam, json, repeatErrors } from '../openapi.ts'

const tags = ['files']

const create = createRoute({
  method: 'post',
  path: '/files',
  operationId: 'createFile',
  summary: 'Upload a file',
  description:
    'Its id goes into `files` of a run or message. As multipart/form-data with the field `file`, or as the body itself with its own content type and `?name=`; only the latter without an Idempotency-Key is streamed, so use it for large files. Text is scrubbed of known secrets.',
  tags,
  request: {
    headers: IdempotencyHeader,
    query: z.object({ name: z.string().min(1).max(255).optional().describe('The name of a file sent as the body.') }),
    body: {
      required: true,
      content: {
        'multipart/form-data': {
          schema: {
            type: 'object' as const,
            properties: { file: { type: 'string' as const, format: 'binary' as const } },
            required: ['file'],
          },
        },
        'application/octet-stream': { schema: { type: 'string' as const, format: 'binary' as const } },
      },
    },
  },
  responses: {
    201: json(FileInfo, 'The file.'),
    ...errors(...repeatErrors, 'file_too_large', 'body_too_large', 'unsupported_media_type'),
  },
})

const get = createRoute({
  method: 'get',
  path: '/files/{id}',
  operationId: 'getFile',
  summary: 'Read about a file',
  tags,
  request: { params: IdParam },
  responses: { 200: json(FileInfo, 'The file.'), ...errors('file_not_found') },
})

const content = createRoute({
  method: 'get',
  path: '/files/{id}/content',
  operationId: 'getFileContent',
  summary: 'Download a file',
  tags,
  request: { params: IdParam },
  responses: {
    200: {
      description: 'The bytes, as an attachment.',
      content: { 'application/octet-stream': { schema: { type: 'string' as const, format: 'binary' as const } } },
    },
    ...errors('file_not_found'),
  },
})

export function files(api: Api, core: Core): void {
  api.openapi(create, async (c) => {
    const upload = await uploadOf(c)
    const whole = upload.content instanceof Uint8Array ? [upload.content] : []
    let made: FileInfo | undefined
    const replayed = await once(core, c, [upload.name, upload.media_type, ...whole], async () => {
      made = await core.files.create(c.get('actor'), upload)
      return { status: 201, body: made }
    })
    // `once` answers by itself only for a repeat, and a repeat is of this route.
    return made === undefined ? (replayed as never) : c.json(made, 201)
  })

  api.openapi(get, async (c) => c.json(await core.files.get(c.get('actor'), c.req.valid('param').id), 200))

  api.openapi(content, async (c) => {
    const { info, content: bytes } = await core.files.read(c.get('actor'), c.req.valid('param').id)
    // The types of Node's web streams and of fetch differ in name only.
    return c.body(Readable.toWeb(bytes) as unknown as ReadableStream, 200, {
      'content-type': info.media_type,
      'content-length': String(info.bytes),
      'content-disposition': attachment(info.name),
      'cache-control': 'private, max-age=31536000, immutable',
      'content-security-policy': "default-src 'none'; sandbox",
    })
  })
}

type Upload = { name: string; media_type: string; content: Readable | Uint8Array }

async function uploadOf(c: Context<WebEnv>): Promise<Upload> {
  const type = c.req.header('content-type')
  if (type === undefined || !/^[\w.+-]+\/[\w.+-]+\s*(;|$)/.test(type)) {
    throw new HubError('unsupported_media_type', 'A file needs a content type.', {
      hint: 'Send the content type of the file, application/octet-stream if it has none.',
    })
  }
  if (/^multipart\/form-data\s*;/i.test(type)) {
    const { file } = await c.req.parseBody().catch((cause: unknown) => {
      throw new HubError('invalid_request', 'The body is not multipart/form-data.', { cause })
    })
    if (!(file instanceof File)) throw new HubError('invalid_request', 'body.file: the form has no file by that name')
    return {
      name: plainName(file.name),
      media_type: file.type || 'application/octet-stream',
      content: new Uint8Array(await file.arrayBuffer()),
    }
  }
  const name = c.req.query('name')
  if (name === undefined) {
    throw new HubError('invalid_request', 'query.name: a file that is sent as the body needs its name', {
      hint: 'Send POST /api/v1/files?name=notes.txt, or a form with the field `file`.',
    })
  }
  const keyed = c.req.header('idempotency-key') !== undefined
  const { body } = c.req.raw
  return {
    name: plainName(name),
    media_type: type,
    content:
      keyed || body === null
        ? new Uint8Array(await c.req.arrayBuffer())
        : // The types of Node's web streams and of fetch differ in name only.
          Readable.fromWeb(body as unknown as NodeReadableStream),
  }
}

/** The last part of a path, without control characters: a name is shown and saved, never opened as a path here. */
function plainName(name: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? ''
  const plain = last.replace(/\p{Cc}/gu, '').slice(0, 255)
  return plain === '' || plain === '.' || plain === '..' ? 'file' : plain
}

/** RFC 6266: a plain name for old clients, and the real one. */
function attachment(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  const full = encodeURIComponent(name).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${full}`
}
