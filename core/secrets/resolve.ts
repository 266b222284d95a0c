import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { isAbsolute, sep } from 'node:path'
import { HubError } from '../errors.ts'

export type SecretSources = {
  env: Readonly<Record<string, string | undefined>>
  /** The text of a file; throws when it can't be read. Left out: the file system, through `readSecretFile`. */
  readFile?: (path: string) => Promise<string>
}

const MAX_FILE_BYTES = 64 * 1024

/**
 * The value of `env:NAME` or `file:/absolute/path` (one line break at its end is dropped). Throws `secret_unresolved`, which
 * says what to set and never holds a value; an empty value is none.
 */
export async function resolveSecret(
  reference: string,
  { env, readFile = readSecretFile }: SecretSources,
): Promise<string> {
  const [, scheme, name] = /^(env|file):(.+)$/s.exec(reference) ?? []
  if (scheme === 'env') {
    const value = env[name!]
    if (value) return value
    throw unresolved(
      `The environment variable ${name} is ${value === '' ? 'empty' : 'not set'} where the hub runs.`,
      `Set ${name} in the hub's environment and restart it.`,
    )
  }
  if (scheme === 'file' && isAbsolute(name!)) {
    const value = (
      await readFile(name!).catch((error: unknown) => Promise.reject(fileUnresolved(name!, error)))
    ).replace(/\r?\n$/, '')
    if (value !== '') return value
    throw unresolved(`The secret file ${name} is empty.`, `Write the secret into ${name}.`)
  }
  // Not repeated: who writes a secret where its reference belongs must not find it in a log.
  throw unresolved(
    'The secret reference is neither env:NAME nor file:/absolute/path.',
    'Write env:NAME or file:/absolute/path.',
  )
}

/**
 * Reads at most 64 KiB of a regular file in UTF-8. Files below one of `refuse` (the hub's own data) are not read, whatever
 * links lead there.
 */
export async function readSecretFile(path: string, options: { refuse?: readonly string[] } = {}): Promise<string> {
  const real = await realpath(path)
  for (const folder of options.refuse ?? []) {
    const realFolder = await realpath(folder)
    if (real === realFolder || real.startsWith(realFolder + sep)) throw new Error('it belongs to the hub itself')
  }
  // Without O_NONBLOCK a pipe would hold the hub up until somebody writes to it.
  const file = await open(real, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw new Error(stat.isDirectory() ? 'it is a folder' : 'it is not a regular file')
    const bytes = Buffer.alloc(MAX_FILE_BYTES + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      ;({ bytesRead: read } = await file.read(bytes, length, bytes.length - length, length))
    }
    if (length > MAX_FILE_BYTES) throw new Error('it is larger than 64 KiB')
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes.subarray(0, length))
  } finally {
    await file.close()
  }
}

function fileUnresolved(path: string, error: unknown): HubError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const reason =
    code === 'ENOENT'
      ? 'it does not exist'
      : code === 'EACCES' || code === 'EPERM'
        ? 'the hub may not read it'
        : code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
          ? 'it is not text in UTF-8'
          : error instanceof Error
            ? error.message
            : 'it cannot be read'
  return unresolved(
    `The secret file ${path} cannot be used: ${reason}.`,
    `Put the secret into ${path}, readable for the user that runs the hub.`,
  )
}

const unresolved = (message: string, hint: string) => new HubError('secret_unresolved', message, { hint })
