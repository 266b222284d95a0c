import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { writeHubFile } from './data-folder.ts'
import { lockDataFolder } from './data-folder-lock.ts'

let folder: string
let holder: ChildProcess | null = null
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-lock-'))
})
afterEach(() => {
  holder?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** Another process that holds the lock until it is killed. */
async function hold(platform: NodeJS.Platform): Promise<ChildProcess> {
  const lock = fileURLToPath(new URL('../dist/cli/data-folder-lock.js', import.meta.url))
  const code = `import { lockDataFolder } from ${JSON.stringify(lock)}
    await lockDataFolder(${JSON.stringify(folder)}, { platform: ${JSON.stringify(platform)} })
    setInterval(() => {}, 60_000)
    console.log('held')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

const platforms = process.platform === 'linux' ? (['linux', 'darwin'] as const) : (['darwin'] as const)

describe.each(platforms)('the lock of a data folder, as on %s', (platform) => {
  test('a second process is refused and told who holds it', async () => {
    holder = await hold(platform)
    writeHubFile(folder, { url: 'http://127.0.0.1:4321', pid: holder.pid!, token: 't', started_at: '' })
    await expect(lockDataFolder(folder, { platform })).rejects.toMatchObject({
      code: 'data_folder_in_use',
      exitCode: 6,
      message: expect.stringContaining(`process ${holder.pid}, serving http://127.0.0.1:4321`),
    })
  })

  test('kill -9 of its holder frees it', async () => {
    holder = await hold(platform)
    const exit = once(holder, 'exit')
    holder.kill('SIGKILL')
    await exit
    const unlock = await lockDataFolder(folder, { platform })
    await expect(lockDataFolder(folder, { platform })).rejects.toMatchObject({ code: 'data_folder_in_use' })
    unlock()
  })

  test('once freed, it can be taken again', async () => {
    for (let i = 0; i < 3; i++) (await lockDataFolder(folder, { platform }))()
  })
})

test.runIf(process.platform === 'linux')('another path to the same folder is the same lock', async () => {
  const unlock = await lockDataFolder(folder)
  const link = `${folder}-link`
  symlinkSync(folder, link)
  try {
    await expect(lockDataFolder(link)).rejects.toMatchObject({ code: 'data_folder_in_use' })
  } finally {
    rmSync(link)
    unlock()
  }
})

test.each(['', 'x', '0', '-1'])('a lock file that holds %j is nobody’s', async (text) => {
  writeFileSync(join(folder, 'lock'), text)
  const unlock = await lockDataFolder(folder, { platform: 'darwin' })
  unlock()
})
