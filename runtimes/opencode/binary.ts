import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export type Binary = { path: string; version: string }

type Machine = { platform: NodeJS.Platform; arch: string; musl: boolean; avx2: boolean }

/**
 * The OpenCode program of this machine, from the platform package that npm installed beside `opencode-ai`. Its own launcher is
 * put in place by a postinstall script, which npm may not have run, so the launcher is not used. Null when there is none.
 */
export function findBinary(machine: Machine = thisMachine(), from = import.meta.url): Binary | null {
  const require = createRequire(from)
  for (const name of packageNames(machine)) {
    const manifest = resolveManifest(require, name)
    if (manifest === null) continue
    const path = join(dirname(manifest), 'bin', machine.platform === 'win32' ? 'opencode.exe' : 'opencode')
    if (existsSync(path)) return { path, version: JSON.parse(readFileSync(manifest, 'utf8')).version }
  }
  return null
}

/** Names of the packages that hold a program for this machine, best first. The baseline build runs on any x64 processor. */
export function packageNames({ platform, arch, musl, avx2 }: Machine): string[] {
  const system = platform === 'win32' ? 'windows' : platform
  const base = `opencode-${system}-${arch}`
  const builds = arch === 'x64' ? (avx2 ? ['', '-baseline'] : ['-baseline']) : ['']
  if (platform !== 'linux') return builds.map((build) => base + build)
  return builds.map((build) => `${base}${build}${musl ? '-musl' : ''}`)
}

function resolveManifest(require: NodeJS.Require, name: string): string | null {
  try {
    return require.resolve(`${name}/package.json`)
  } catch {
    // Not installed: npm only takes the packages of this platform.
    return null
  }
}

function thisMachine(): Machine {
  const { platform, arch } = process
  return { platform, arch, musl: platform === 'linux' && isMusl(), avx2: hasAvx2(platform) }
}

/** The loader of glibc lies at one place on every distribution; where it is missing, only a musl build runs. */
function isMusl(): boolean {
  return !['/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1'].some((path) => existsSync(path))
}

/** Outside of Linux nothing cheap tells: the plain build is taken there, as every processor sold in the last ten years has it. */
function hasAvx2(platform: NodeJS.Platform): boolean {
  if (platform !== 'linux') return true
  try {
    return /\bavx2\b/.test(readFileSync('/proc/cpuinfo', 'utf8'))
  } catch {
    return false
  }
}
