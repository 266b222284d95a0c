import { builtinModules } from 'node:module'
import { posix } from 'node:path'
import type { Module } from './modules.ts'

/** Each rule gets all modules and returns what breaks it, as `path:line what is wrong`. */
export type Rule = (modules: Module[]) => string[]

/** Who may import whom; `own` is the folder itself, `core` means its door. Folders that are missing here import nothing of ours. */
const table: Record<string, readonly string[]> = {
  core: ['own'],
  runtimes: ['own', 'core'],
  gateway: ['own', 'core'],
  mcp: ['own', 'core'],
  bot: ['own', 'core'],
  web: ['own', 'core'],
  daemon: ['own', 'core', 'runtimes'],
  cli: ['own', 'core', 'runtimes', 'gateway', 'mcp', 'bot', 'web', 'daemon'],
}

const CORE_DOOR = 'core/index.ts'
const folderOf = (path: string) => path.split('/')[0]!

/** Tests, measurements and what they share may look behind every door. */
const isTest = (path: string) =>
  /\.test\.tsx?$/.test(path) || /^(test|bench)\//.test(path) || path === 'runtimes/contract.ts'
const product = (modules: Module[]) =>
  modules.filter((module) => !isTest(module.path) && folderOf(module.path) !== 'examples')

/** Folders import only what the table allows, and nothing of the product imports a test. */
export const importTable: Rule = (modules) =>
  modules
    .filter(({ path }) => !isTest(path))
    .flatMap(({ path, imports }) =>
      imports.flatMap(({ file, line }) => {
        if (file === null) return []
        const [from, to] = [folderOf(path), folderOf(file)]
        if (isTest(file)) return [`${path}:${line} imports ${file}, which is a test's`]
        if (file.startsWith('..')) return [`${path}:${line} imports ${file}, outside the repository`]
        // package.json and schema.json lie at the root and belong to nobody.
        if (!file.includes('/') && file.endsWith('.json')) return []
        const allowed = table[from]?.includes(from === to ? 'own' : to) ?? from === to
        return allowed ? [] : [`${path}:${line} imports ${file}: ${from} may not import ${to}`]
      }),
    )

/** From outside, core is `core/index.ts` and nothing behind it. */
export const coreHasOneDoor: Rule = (modules) =>
  product(modules)
    .filter(({ path }) => folderOf(path) !== 'core')
    .flatMap(({ path, imports }) =>
      imports
        .filter(({ file }) => file !== null && folderOf(file) === 'core' && file !== CORE_DOOR)
        .map(({ file, line }) => `${path}:${line} imports ${file}: only ${CORE_DOOR} is open to others`),
    )

/** One runtime knows nothing of another; what they share lies beside them, not in one of them. */
export const adaptersAreStrangers: Rule = (modules) =>
  product(modules).flatMap(({ path, imports }) => {
    const own = adapterOf(path)
    if (own === null || path === CATALOGUE) return []
    const others = new Set(adapterFolders(modules).filter((name) => name !== own))
    return imports
      .filter(({ file }) => file !== null && others.has(adapterOf(file) ?? ''))
      .map(({ file, line }) => `${path}:${line} imports ${file}: an adapter may not import another`)
  })

/** Core alone speaks to the database. */
export const databaseIsCores: Rule = (modules) =>
  product(modules)
    .filter(({ path }) => folderOf(path) !== 'core')
    .flatMap(({ path, imports }) =>
      imports
        .filter((i) => i.package !== null && /^(drizzle-orm|postgres|@electric-sql\/.*)$/.test(i.package))
        .map((i) => `${path}:${i.line} imports ${i.package}: only core speaks to the database`),
    )

/** What ships imports only what is installed with it. */
export const shippedDependencies =
  (dependencies: readonly string[]): Rule =>
  (modules) =>
    product(modules).flatMap(({ path, imports }) =>
      imports
        .filter((i) => i.package !== null && !i.typeOnly && !dependencies.includes(i.package))
        .map((i) => `${path}:${i.line} imports ${i.package}, which is not in dependencies`),
    )

/** No file needs itself, over however many others. */
export const noCycles: Rule = (modules) => {
  const edges = new Map(modules.map(({ path, imports }) => [path, imports.flatMap(({ file }) => file ?? [])]))
  const state = new Map<string, 'open' | 'done'>()
  const found: string[] = []
  function visit(path: string, trail: string[]) {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      found.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
      return
    }
    state.set(path, 'open')
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path])
    state.set(path, 'done')
  }
  for (const path of edges.keys()) visit(path, [])
  return found
}

const CATALOGUE = 'runtimes/index.ts'
const adapterOf = (path: string) =>
  path.startsWith('runtimes/') ? posix.parse(path.split('/')[1]!).name.replace(/\.test$/, '') : null
const adapterFolders = (modules: Module[]) => [
  ...new Set(modules.filter(({ path }) => path.split('/').length > 2).flatMap(({ path }) => adapterOf(path) ?? [])),
]

/**
 * The name of a runtime stands in its own folder and on one line of the catalogue. A name that is also one of Node's own modules
 * (`http`) is an ordinary word: it counts only where it is a whole value, not as an identifier.
 */
export const runtimeNames: Rule = (modules) => {
  const names = new Set(product(modules).flatMap(({ path }) => adapterOf(path) ?? []))
  names.delete('index')
  return [...names].flatMap((name) => {
    const ordinary = builtinModules.includes(name)
    const mentions = (text: string, kind: 'literal' | 'name') =>
      ordinary
        ? kind === 'literal' && text === name
        : text.toLowerCase().replaceAll(/[-_ ]/g, '').includes(name.replaceAll('-', ''))
    return product(modules)
      .filter(({ path }) => adapterOf(path) !== name)
      .flatMap(({ path, words, imports }) => {
        const importLines = new Set(imports.map(({ line }) => line))
        const lines = [...new Set(words.filter((w) => mentions(w.text, w.kind)).map(({ line }) => line))]
        if (path !== CATALOGUE) return lines.map((line) => `${path}:${line} names the runtime ${name}`)
        const more = lines.filter((line) => !importLines.has(line)).slice(1)
        return more.map((line) => `${path}:${line} names ${name} once more: the catalogue has one line for each`)
      })
  })
}

/** Surfaces that people use. `mcp` is not here: it is also the protocol by which agents reach their tools. */
const surfaces = ['rest', 'web', 'cli', 'slack', 'linear', 'github', 'a2a']

/** Core knows surfaces by one type and never asks which one it is. */
export const surfaceNames: Rule = (modules) =>
  product(modules)
    .filter(({ path }) => folderOf(path) === 'core' && path !== 'core/access/actor.ts')
    .flatMap(({ path, words }) =>
      words
        .filter(({ text, kind }) => kind === 'literal' && surfaces.includes(text))
        .map(({ text, line }) => `${path}:${line} names the surface ${text}`),
    )

/** The environment is read in one place. */
export const environmentInOnePlace: Rule = (modules) =>
  product(modules)
    // OpenCode loads its plugin into its own process, where the environment is the only thing that we give it.
    .filter(({ path }) => path !== 'cli/settings.ts' && !path.startsWith('runtimes/opencode/plugin/'))
    .flatMap(({ path, environmentReads }) => environmentReads.map((line) => `${path}:${line} reads process.env`))

/** A fake is a value passed in or a server, never a replaced module. */
export const noModuleMocks: Rule = (modules) =>
  modules.flatMap(({ path, moduleMocks }) => moduleMocks.map((line) => `${path}:${line} replaces a module`))
