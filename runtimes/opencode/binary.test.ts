import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findBinary, packageNames } from './binary.ts'

const machine = { platform: 'linux', arch: 'x64', musl: false, avx2: true } as const

test.each([
  [machine, ['opencode-linux-x64', 'opencode-linux-x64-baseline']],
  [{ ...machine, avx2: false }, ['opencode-linux-x64-baseline']],
  [{ ...machine, musl: true }, ['opencode-linux-x64-musl', 'opencode-linux-x64-baseline-musl']],
  [{ ...machine, arch: 'arm64' }, ['opencode-linux-arm64']],
  [{ ...machine, arch: 'arm64', musl: true }, ['opencode-linux-arm64-musl']],
  [{ ...machine, platform: 'darwin', arch: 'arm64' } as const, ['opencode-darwin-arm64']],
  [{ ...machine, platform: 'win32' } as const, ['opencode-windows-x64', 'opencode-windows-x64-baseline']],
])('a machine takes the packages built for it, best first: %o', (given, names) => {
  expect(packageNames(given)).toEqual(names)
})

test('the program is found without the postinstall script of its package', () => {
  const binary = findBinary()
  expect(binary).not.toBeNull()
  // It makes its folders even to tell its version.
  const home = mkdtempSync(join(tmpdir(), 'signalbox-binary-'))
  try {
    expect(execFileSync(binary!.path, ['--version'], { encoding: 'utf8', env: { HOME: home } }).trim()).toBe(
      binary!.version,
    )
  } finally {
    rmSync(home, { recursive: true })
  }
})

test('a machine without a build for it has none', () => {
  expect(findBinary({ ...machine, arch: 'riscv64' })).toBeNull()
})
