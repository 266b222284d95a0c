import { closeSync, existsSync, fstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'

export type RotatingFile = { write(text: string): void; close(): void }

/**
 * Appends to a file of at most `maxBytes`; a full one becomes `.1`, that one `.2`, and so on up to `keep`, then it goes.
 * Written at once: the last line before a crash is there. Mode 0600. A full disk loses lines, not the hub.
 */
export function rotatingFile(path: string, { maxBytes, keep }: { maxBytes: number; keep: number }): RotatingFile {
  let handle = openSync(path, 'a', 0o600)
  let size = fstatSync(handle).size

  const rotate = (): void => {
    closeSync(handle)
    rmSync(`${path}.${keep}`, { force: true })
    for (let i = keep - 1; i >= 1; i--) if (existsSync(`${path}.${i}`)) renameSync(`${path}.${i}`, `${path}.${i + 1}`)
    renameSync(path, `${path}.1`)
    handle = openSync(path, 'a', 0o600)
    size = 0
  }

  return {
    write: (text) => {
      try {
        const bytes = Buffer.from(text)
        if (size > 0 && size + bytes.length > maxBytes) rotate()
        writeSync(handle, bytes)
        size += bytes.length
      } catch {
        // Nowhere is left to say it: the log is where it would be said.
      }
    },
    close: () => closeSync(handle),
  }
}
