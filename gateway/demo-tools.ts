/** The tools that the demo model knows how to use, whatever harness offers them. */

export type DemoCall = { id: string; name: string; arguments: Record<string, unknown> }
/** `parameters`: the names of its arguments. */
export type DemoTool = { name: string; parameters: string[] }

/** What a harness calls its tools and their arguments; the first one that is offered counts. */
const TOOLS = {
  read: { names: ['read', 'read_file', 'view'], arguments: ['filePath', 'file_path', 'path', 'file'] },
  list: { names: ['list', 'ls', 'list_files', 'list_directory'], arguments: ['path', 'dir', 'directory'] },
  glob: { names: ['glob', 'find_files'], arguments: ['pattern', 'glob'] },
  run: { names: ['bash', 'shell', 'run_command', 'execute'], arguments: ['command', 'cmd'] },
  write: { names: ['write', 'write_file'], arguments: ['filePath', 'file_path', 'path', 'file'] },
  ask: { names: ['question', 'ask_user'], arguments: ['questions'] },
} as const
export type DemoToolKind = keyof typeof TOOLS

export function kindOf(name: string): DemoToolKind | null {
  for (const [kind, { names }] of Object.entries(TOOLS)) {
    // The keys of TOOLS are its kinds.
    if (names.some((known) => known === name.toLowerCase())) return kind as DemoToolKind
  }
  return null
}

/** The offered tool of that kind and what it calls its first argument. */
export function offered(kind: DemoToolKind, tools: DemoTool[]): { name: string; argument: string } | null {
  const tool = tools.find(({ name }) => kindOf(name) === kind)
  if (!tool) return null
  const known: readonly string[] = TOOLS[kind].arguments
  return { name: tool.name, argument: known.find((name) => tool.parameters.includes(name)) ?? known[0]! }
}
