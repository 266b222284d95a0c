import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readFile, rename, rm, unlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Readable } from 'node:stream'
import { and, eq, lt, sql } from 'drizzle-orm'
import type { Actor } from '../access/actor.ts'
import { authorize } from '../access/policy.ts'
import type { Db } from '../database.ts'
import { HubError } from '../errors.ts'
import { newId } from '../id.ts'
import { artifacts } from '../schema/index.ts'
import type { Scrubber } from '../secrets/scrubber.ts'
import type { FileInfo } from '../shapes.ts'

export type FileLimits = { maxBytes: number; retentionDays: number }
export type FileStore = ReturnType<typeof createFileStore>

/** Files in and out of runs: a row each, the content in a folder under the row's id. Text is scrubbed before it is stored. */
export function createFileStore(input: { db: Db; folder: string; scrubber: Scrubber; limits(): FileLimits }) {
  const { db, folder } = input
  const pathOf = (id: string) => join(folder, id)

  async function store(file: {
    name: string
    mediaType: string
    content: AsyncIterable<Uint8Array> | Uint8Array
    runId: string | null
    createdBy: string
  }): Promise<FileInfo> {
    const { maxBytes, retentionDays } = input.limits()
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const id = newId('fil')
    const part = `${pathOf(id)}.part`
    try {
      const bytes = await collect(file.content, maxBytes, file.name)
      const content = isText(file.mediaType, bytes)
        ? Buffer.from(input.scrubber.scrub(bytes.toString('utf8')).text)
        : bytes
      const handle = await open(part, 'wx', 0o600)
      try {
        await handle.writeFile(content)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(part, pathOf(id))
      const [row] = await db
        .insert(artifacts)
        .values({
          id,
          runId: file.runId,
          name: safeName(file.name),
          mediaType: file.mediaType,
          bytes: content.byteLength,
          sha256: createHash('sha256').update(content).digest('hex'),
          createdBy: file.createdBy,
          expiresAt: new Date(Date.now() + retentionDays * 86_400_000),
        })
        .returning()
      return toFile(row!)
    } catch (error) {
      await rm(part, { force: true })
      await rm(pathOf(id), { force: true })
      throw error
    }
  }

  async function find(actor: Actor, id: string): Promise<typeof artifacts.$inferSelect> {
    const [row] = await db.select().from(artifacts).where(eq(artifacts.id, id))
    if (!row) throw new HubError('file_not_found', `There is no file ${id}.`)
    authorize(actor, 'observe', { type: 'file', id })
    return row
  }

  return {
    async create(
      actor: Actor,
      file: { name: string; media_type: string; content: Readable | Uint8Array },
    ): Promise<FileInfo> {
      authorize(actor, 'edit', { type: 'file', id: file.name })
      return await store({
        name: file.name,
        mediaType: file.media_type,
        content: file.content,
        runId: null,
        createdBy: actor.userId,
      })
    },
    async get(actor: Actor, id: string): Promise<FileInfo> {
      return toFile(await find(actor, id))
    },
    async open(actor: Actor, id: string): Promise<{ info: FileInfo; content: Readable }> {
      return { info: toFile(await find(actor, id)), content: createReadStream(pathOf(id)) }
    },
    async list(runId: string): Promise<FileInfo[]> {
      return (await db.select().from(artifacts).where(eq(artifacts.runId, runId)).orderBy(artifacts.id)).map(toFile)
    },
    /** For a runtime, on behalf of a run that was given the file. */
    content: (id: string): Promise<Uint8Array> => readFile(pathOf(id)),
    async saveArtifact(
      run: { id: string; createdBy: string },
      fact: { name: string; mediaType: string; read(): Promise<Uint8Array> },
    ): Promise<FileInfo> {
      return await store({
        name: fact.name,
        mediaType: fact.mediaType,
        content: await fact.read(),
        runId: run.id,
        createdBy: run.createdBy,
      })
    },
    /** Removes what has outlived its retention; rows first, so that nobody is shown a file that is gone. */
    async expire(): Promise<void> {
      const gone = await db
        .delete(artifacts)
        .where(and(lt(artifacts.expiresAt, sql`now()`)))
        .returning({ id: artifacts.id })
      for (const { id } of gone) await unlink(pathOf(id)).catch(() => {})
    },
  }
}

async function collect(
  content: AsyncIterable<Uint8Array> | Uint8Array,
  maxBytes: number,
  name: string,
): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of content instanceof Uint8Array ? [content] : content) {
    size += part.byteLength
    if (size > maxBytes)
      throw new HubError('file_too_large', `File ${safeName(name)} is larger than ${maxBytes} bytes.`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** Scrubbing rewrites text; anything that is not surely text is stored as it is. */
function isText(mediaType: string, bytes: Buffer): boolean {
  // An SVG is an image, and text.
  if (/^(image(?!\/svg)|audio|video|font)\//.test(mediaType) || /zip|gzip|pdf|octet-stream;/.test(mediaType))
    return false
  const head = bytes.subarray(0, 8_192)
  return !head.includes(0) && Buffer.from(bytes.toString('utf8')).equals(bytes)
}

/** Only a name: no folder, no control character, never empty. */
function safeName(name: string): string {
  const cleaned = basename(name.replaceAll('\\', '/'))
    .replace(/\p{Cc}/gu, '')
    .slice(0, 200)
  return cleaned === '' || cleaned === '.' || cleaned === '..' ? 'file' : cleaned
}

function toFile(row: typeof artifacts.$inferSelect): FileInfo {
  return {
    id: row.id,
    run_id: row.runId,
    name: row.name,
    media_type: row.mediaType,
    bytes: row.bytes,
    sha256: row.sha256,
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
  }
}
