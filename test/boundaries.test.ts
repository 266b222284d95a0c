import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parseModule, readModules } from './boundaries/modules.ts'
import * as rules from './boundaries/rules.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  dependencies: Record<string, string>
}
const shippedDependencies = rules.shippedDependencies(Object.keys(manifest.dependencies))
const tree = readModules(root)

/** Rule by rule: what it says, and small trees that break it and that don't. */
const cases: { name: string; rule: rules.Rule; broken: Record<string, string>[]; whole: Record<string, string>[] }[] = [
  {
    name: 'folders import only what the table allows',
    rule: rules.importTable,
    broken: [
      { 'core/x.ts': `import { y } from '../web/y.ts'` },
      { 'core/x.ts': `export * from '../runtimes/index.ts'` },
      { 'web/x.ts': `import type { Y } from '../mcp/y.ts'` },
      { 'web/x.ts': `type Y = import('../mcp/y.ts').Y` },
      { 'gateway/x.ts': `const { y } = await import('../runtimes/y.ts')` },
      { 'mcp/x.ts': `import { openTestCore } from '../test/core.ts'` },
      { 'runtimes/x.ts': `import { runtimeContract } from './contract.ts'` },
      { 'examples/x.ts': `import { HubError } from '../core/index.ts'` },
      { 'core/x.ts': `import y from '../../elsewhere/y.ts'` },
    ],
    whole: [
      { 'cli/x.ts': `import { y } from '../web/y.ts'\nimport manifest from '../package.json' with { type: 'json' }` },
      { 'daemon/x.ts': `import { kinds } from '../runtimes/index.ts'` },
      { 'core/work/x.ts': `import { y } from '../y.ts'\n// import { z } from '../../web/z.ts'` },
      { 'web/x.test.ts': `import { openTestCore } from '../test/core.ts'` },
    ],
  },
  {
    name: 'core has one door',
    rule: rules.coreHasOneDoor,
    broken: [
      { 'cli/x.ts': `import { newId } from '../core/id.ts'` },
      { 'web/x.tsx': `import type { Db } from '../core/database.ts'` },
    ],
    whole: [{ 'cli/x.ts': `import { newId } from '../core/index.ts'` }],
  },
  {
    name: 'one runtime knows nothing of another',
    rule: rules.adaptersAreStrangers,
    broken: [{ 'runtimes/one/x.ts': `import { y } from '../two/y.ts'`, 'runtimes/two/y.ts': 'export const y = 1' }],
    whole: [
      { 'runtimes/one/x.ts': `import { y } from './y.ts'`, 'runtimes/one/y.ts': 'export const y = 1' },
      { 'runtimes/index.ts': `import { y } from './two/y.ts'`, 'runtimes/two/y.ts': 'export const y = 1' },
    ],
  },
  {
    name: 'core alone speaks to the database',
    rule: rules.databaseIsCores,
    broken: [
      { 'web/x.ts': `import { eq } from 'drizzle-orm'` },
      { 'cli/x.ts': `import { PGlite } from '@electric-sql/pglite'` },
    ],
    whole: [{ 'core/x.ts': `import { eq } from 'drizzle-orm/pg-core'` }],
  },
  {
    name: 'what ships imports only what is installed with it',
    rule: shippedDependencies,
    broken: [
      { 'cli/x.ts': `import { chromium } from 'playwright-core'` },
      { 'web/x.ts': `await import('@ag-ui/client')` },
    ],
    whole: [
      {
        'web/x.ts': `import { Hono } from 'hono'\nimport { readFile } from 'node:fs/promises'\nimport type * as t from 'vitest'`,
      },
    ],
  },
  {
    name: 'no file needs itself',
    rule: rules.noCycles,
    broken: [
      { 'core/a.ts': `import './b.ts'`, 'core/b.ts': `export { c } from './c.ts'`, 'core/c.ts': `import './a.ts'` },
      { 'core/a.ts': `import './a.ts'` },
    ],
    whole: [{ 'core/a.ts': `import './b.ts'\nimport './c.ts'`, 'core/b.ts': `import './c.ts'`, 'core/c.ts': '' }],
  },
  {
    name: 'the name of a runtime stands in its own folder and on one line of the catalogue',
    rule: rules.runtimeNames,
    broken: [
      { 'runtimes/mars/index.ts': '', 'core/x.ts': `if (kind === 'mars') go()` },
      { 'runtimes/mars/index.ts': '', 'web/x.tsx': 'export const X = () => <b>Mars</b>' },
      { 'runtimes/mars-rover/index.ts': '', 'cli/x.ts': 'startMarsRover()' },
      { 'runtimes/http.ts': '', 'core/x.ts': `if (kind === 'http') go()` },
      {
        'runtimes/mars.ts': '',
        'runtimes/index.ts': `import { mars } from './mars.ts'\nexport const kinds = [mars]\nconst first = mars`,
      },
    ],
    whole: [
      { 'runtimes/mars/index.ts': `export const kind = 'mars'`, 'core/x.ts': '// as Mars does it' },
      { 'runtimes/mars.ts': '', 'runtimes/index.ts': `import { mars } from './mars.ts'\nexport const kinds = [mars]` },
      { 'runtimes/http.ts': '', 'web/x.ts': `import http from 'node:http'\nhttp.get('http://127.0.0.1')` },
    ],
  },
  {
    name: 'core never asks which surface it is',
    rule: rules.surfaceNames,
    broken: [{ 'core/x.ts': `if (actor.surface === 'slack') go()` }],
    whole: [{ 'core/access/actor.ts': `type Surface = 'slack' | 'web'` }, { 'cli/x.ts': `authenticate(token, 'cli')` }],
  },
  {
    name: 'the environment is read in one place',
    rule: rules.environmentInOnePlace,
    broken: [
      { 'core/x.ts': 'const port = process.env.PORT' },
      { 'cli/up.ts': `spawn('x', { env: { ...process['env'] } })` },
      { 'web/x.ts': `import { env } from 'node:process'` },
      { 'mcp/x.ts': 'const { env } = process' },
    ],
    whole: [
      { 'cli/settings.ts': 'export const env = process.env' },
      { 'web/x.test.ts': 'process.env.PORT' },
      { 'core/x.ts': 'io.env.PORT' },
    ],
  },
  {
    name: 'no module is replaced by a mock',
    rule: rules.noModuleMocks,
    broken: [{ 'core/x.test.ts': `vi.mock('./y.ts')` }, { 'test/x.ts': `vi.doMock('./y.ts', () => ({}))` }],
    whole: [{ 'core/x.test.ts': 'vi.fn()' }],
  },
]

const parse = (files: Record<string, string>) =>
  Object.entries(files).map(([path, source]) => parseModule(path, source))

test('the tree is read', () => {
  expect(tree.map(({ path }) => path)).toEqual(expect.arrayContaining(['core/index.ts', 'test/boundaries.test.ts']))
})

describe.each(cases)('$name', ({ rule, broken, whole }) => {
  test('in this repository', () => {
    expect(rule(tree)).toEqual([])
  })

  test.each(broken)('a planted breach is found: %j', (files) => {
    expect(rule(parse(files)), 'exactly one breach').toHaveLength(1)
  })

  test.each(whole)('what is allowed passes: %j', (files) => {
    expect(rule(parse(files))).toEqual([])
  })
})
