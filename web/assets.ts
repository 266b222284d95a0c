import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { packageRoot } from '../core/index.ts'

export function readPackageFile(path: string): Buffer {
  return readFileSync(join(packageRoot(), path))
}

const TYPES = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const

/** Everything that pages load: the name in the URL, and where it comes from, this package or one that it depends on. */
const SOURCES = {
  'pico.css': '@picocss/pico/css/pico.min.css',
  'htmx.js': 'htmx.org/dist/htmx.min.js',
  'hx-sse.js': 'htmx.org/dist/ext/hx-sse.min.js',
  'swagger-ui.css': 'swagger-ui-dist/swagger-ui.css',
  'swagger-ui.js': 'swagger-ui-dist/swagger-ui-bundle.js',
  'signalbox.css': 'web/assets/signalbox.css',
  'times.js': 'web/assets/times.js',
  'docs.js': 'web/assets/docs.js',
  'icon.svg': 'web/assets/icon.svg',
} as const

export type AssetName = keyof typeof SOURCES
type Asset = { type: string; bytes: Buffer; gzipped: Buffer; hash: string }

/** The files of the pages, each read once when it is first asked for. A URL holds a hash of its content, so it may be kept for ever. */
export function createAssets() {
  const loaded = new Map<AssetName, Asset>()
  const { resolve } = createRequire(import.meta.url)

  function load(name: AssetName): Asset {
    let asset = loaded.get(name)
    if (asset === undefined) {
      const source = SOURCES[name]
      const bytes = source.startsWith('web/') ? readPackageFile(source) : readFileSync(resolve(source))
      const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12)
      // The name's ending is one of those in the table.
      const type = TYPES[name.split('.').at(-1) as keyof typeof TYPES]
      asset = { type, bytes, gzipped: gzipSync(bytes), hash }
      loaded.set(name, asset)
    }
    return asset
  }

  return {
    url: (name: AssetName): string => `/assets/${load(name).hash}/${name}`,
    /** Null for a name or hash that is not there. */
    find(hash: string, name: string): Asset | null {
      if (!Object.hasOwn(SOURCES, name)) return null
      // Just checked.
      const asset = load(name as AssetName)
      return asset.hash === hash ? asset : null
    },
  }
}

export type Assets = ReturnType<typeof createAssets>
