import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, posix, sep } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'

export type Import = {
  /** As written. */
  specifier: string
  /** Path from the repository's root for a file of ours, the package's name for a package; null for what Node brings. */
  file: string | null
  package: string | null
  /** True when nothing of it is left at run time. */
  typeOnly: boolean
  line: number
}

/** One source file, as far as the rules look at it. */
export type Module = {
  /** From the repository's root, with slashes. */
  path: string
  imports: Import[]
  /** String literals, template pieces and identifiers, without comments and import paths. */
  words: { text: string; kind: 'literal' | 'name'; line: number }[]
  /** Lines that read the environment of the process. */
  environmentReads: number[]
  /** Lines that replace a module in a test. */
  moduleMocks: number[]
}

const FOLDERS = ['bench', 'bot', 'cli', 'core', 'daemon', 'examples', 'gateway', 'mcp', 'runtimes', 'test', 'web']

/** Every source file of ours, parsed. `root` is the repository. */
export function readModules(root: string): Module[] {
  return FOLDERS.filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) =>
        join(folder, path).replaceAll(sep, '/'),
      ),
    )
    .filter(
      (path) => /\.(ts|tsx|js|mjs)$/.test(path) && !/(^|\/)node_modules\/|^test\/oracles\/|^web\/assets\//.test(path),
    )
    .sort()
    .map((path) => parseModule(path, readFileSync(join(root, path), 'utf8')))
}

/** Throws when the source is not TypeScript. */
export function parseModule(path: string, source: string): Module {
  const { program, errors } = parseSync(path, source)
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`)
  const lineAt = lines(source)
  const module: Module = { path, imports: [], words: [], environmentReads: [], moduleMocks: [] }
  const paths = new Set<number>()

  function addImport(source: { value: string; start: number }, typeOnly: boolean) {
    paths.add(source.start)
    module.imports.push({ ...resolve(path, source.value), typeOnly, line: lineAt(source.start) })
  }

  new Visitor({
    ImportDeclaration(node) {
      const named = node.specifiers.length > 0
      const allTypes = node.specifiers.every((s) => s.type === 'ImportSpecifier' && s.importKind === 'type')
      addImport(node.source, node.importKind === 'type' || (named && allTypes))
      for (const specifier of node.specifiers) {
        const imported = specifier.type === 'ImportSpecifier' && specifier.imported
        // `import { env } from 'node:process'` reads it without the word `process`.
        if (
          /^(node:)?process$/.test(node.source.value) &&
          imported &&
          imported.type === 'Identifier' &&
          imported.name === 'env'
        )
          module.environmentReads.push(lineAt(node.start))
      }
    },
    ExportNamedDeclaration(node) {
      const allTypes = node.specifiers.length > 0 && node.specifiers.every((s) => s.exportKind === 'type')
      if (node.source) addImport(node.source, node.exportKind === 'type' || allTypes)
    },
    ExportAllDeclaration(node) {
      addImport(node.source, node.exportKind === 'type')
    },
    ImportExpression(node) {
      if (node.source.type === 'Literal' && typeof node.source.value === 'string')
        addImport({ value: node.source.value, start: node.source.start }, false)
    },
    TSImportType(node) {
      addImport(node.source, true)
    },
    Literal(node) {
      if (typeof node.value === 'string' && !paths.has(node.start))
        module.words.push({ text: node.value, kind: 'literal', line: lineAt(node.start) })
    },
    TemplateElement(node) {
      module.words.push({ text: node.value.cooked ?? node.value.raw, kind: 'literal', line: lineAt(node.start) })
    },
    JSXText(node) {
      module.words.push({ text: node.value, kind: 'literal', line: lineAt(node.start) })
    },
    Identifier(node) {
      module.words.push({ text: node.name, kind: 'name', line: lineAt(node.start) })
    },
    MemberExpression(node) {
      const property =
        node.property.type === 'Identifier'
          ? node.property.name
          : node.property.type === 'Literal'
            ? node.property.value
            : null
      if (node.object.type !== 'Identifier') return
      if (node.object.name === 'process' && property === 'env') module.environmentReads.push(lineAt(node.start))
      if (node.object.name === 'vi' && (property === 'mock' || property === 'doMock'))
        module.moduleMocks.push(lineAt(node.start))
    },
    VariableDeclarator(node) {
      // `const { env } = process`
      if (node.init?.type !== 'Identifier' || node.init.name !== 'process' || node.id.type !== 'ObjectPattern') return
      if (node.id.properties.some((p) => p.type === 'Property' && p.key.type === 'Identifier' && p.key.name === 'env'))
        module.environmentReads.push(lineAt(node.start))
    },
  }).visit(program)
  return module
}

function resolve(from: string, specifier: string): Omit<Import, 'typeOnly' | 'line'> {
  if (specifier.startsWith('.')) {
    const file = posix.normalize(posix.join(posix.dirname(from), specifier))
    return { specifier, file, package: null }
  }
  if (specifier.startsWith('node:') || builtinModules.includes(specifier))
    return { specifier, file: null, package: null }
  const [scope, name] = specifier.split('/')
  return { specifier, file: null, package: scope!.startsWith('@') ? `${scope}/${name}` : scope! }
}

function lines(source: string): (offset: number) => number {
  const starts = [0]
  for (let at = source.indexOf('\n'); at !== -1; at = source.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => starts.findLastIndex((start) => start <= offset) + 1
}
