/** What the demo model answers: rules over the conversation and the tools offered, tried from top to bottom. */
import { describeResult } from './demo-reading.ts'
import { type DemoCall, type DemoTool, type DemoToolKind, kindOf, offered } from './demo-tools.ts'

export type DemoMessage = {
  role: string
  text: string
  calls: DemoCall[]
  /** Of a tool's result: which call it answers. */
  callId: string | null
}

export type DemoReply =
  | { type: 'text'; text: string }
  /** Text that takes its time, to be watched and stopped. */
  | { type: 'paced'; pieces: string[]; everyMs: number }
  | { type: 'calls'; calls: Omit<DemoCall, 'id'>[] }

const SAYS = '[demo model] '
const MAX_COUNT = 120
const MAX_FILES = 3

/** The reply to a conversation. Pure: the same messages and tools get the same reply. */
export function demoReply(messages: DemoMessage[], tools: DemoTool[]): DemoReply {
  const last = messages.findLastIndex((message) => message.role === 'user')
  const prompt = promptOf(messages[last]?.text ?? '')
  const system = messages.filter((message) => message.role === 'system' || message.role === 'developer')
  if (tools.length === 0) {
    if (system.some(({ text }) => /title generator|generate a (brief )?title/i.test(text)))
      return { type: 'text', text: titleOf(prompt) }
    if (/summari[sz]/i.test(`${system.map(({ text }) => text).join(' ')} ${prompt}`)) return say(summaryOf(messages))
  }
  const results = messages.slice(last + 1).filter((message) => message.role === 'tool')
  if (results.length > 0) {
    const calls = messages.slice(last + 1).flatMap((message) => message.calls)
    const answers = results.map(({ callId, text }) => {
      const call = calls.find(({ id }) => id === callId)
      return describeResult(
        call ? kindOf(call.name) : null,
        call ?? { id: '', name: 'tool', arguments: {} },
        text,
        filesIn(prompt),
      )
    })
    return say(answers.join('\n\n'))
  }
  return (
    runs(prompt, tools) ??
    writes(prompt, tools) ??
    asks(prompt, tools) ??
    callsNamed(prompt, tools) ??
    counts(prompt) ??
    lists(prompt, tools) ??
    reads(prompt, tools) ??
    say(explanation(messages, tools))
  )
}

const say = (text: string): DemoReply => ({ type: 'text', text: SAYS + text })

/** What the person wrote: without the reminders and quotes that harnesses put around it. */
function promptOf(text: string): string {
  const own = text.replace(/<system-reminder>[\s\S]*?<\/system-reminder>/g, '').trim()
  return /^"[\s\S]*"$/.test(own) ? own.slice(1, -1).replaceAll('\\"', '"').trim() : own
}

function callOne(kind: DemoToolKind, value: unknown, tools: DemoTool[], otherwise: string): DemoReply {
  const tool = offered(kind, tools)
  if (!tool) return say(otherwise)
  return { type: 'calls', calls: [{ name: tool.name, arguments: { [tool.argument]: value } }] }
}

function runs(prompt: string, tools: DemoTool[]): DemoReply | null {
  const command = /^run:\s*(.+)$/is.exec(prompt)?.[1] ?? /```(?:sh|bash|shell|console)\n([\s\S]+?)```/.exec(prompt)?.[1]
  if (!command) return null
  const line = command.trim()
  const tool = offered('run', tools)
  if (!tool) return say('I would run that, but this agent has no tool that runs commands.')
  const described = tools.find(({ name }) => name === tool.name)?.parameters.includes('description')
  const more = described ? { description: 'The command of the prompt' } : {}
  return { type: 'calls', calls: [{ name: tool.name, arguments: { [tool.argument]: line, ...more } }] }
}

function writes(prompt: string, tools: DemoTool[]): DemoReply | null {
  const [, file, content] = /^write (\S+):\s*([\s\S]+)$/i.exec(prompt) ?? []
  if (!file || !content) return null
  const tool = offered('write', tools)
  if (!tool) return say('I would write that, but this agent has no tool that writes files.')
  return { type: 'calls', calls: [{ name: tool.name, arguments: { [tool.argument]: file, content } }] }
}

function asks(prompt: string, tools: DemoTool[]): DemoReply | null {
  if (!/^ask me\b/i.test(prompt)) return null
  const options = [
    { label: 'Tea', description: 'Hot, with or without milk' },
    { label: 'Coffee', description: 'Hot, and strong' },
  ]
  const question = { question: 'What would you like to drink?', header: 'Drink', options }
  return callOne('ask', [question], tools, 'I would ask you something, but this agent has no tool that asks people.')
}

/** `call TOOL {json}`: any tool that is offered, such as one of an MCP server. */
function callsNamed(prompt: string, tools: DemoTool[]): DemoReply | null {
  const [, name, json] = /^call (\S+)\s*(\{[\s\S]*\})?$/i.exec(prompt) ?? []
  if (!name) return null
  if (!tools.some((tool) => tool.name === name)) {
    return say(`There is no tool ${name} here. The tools are: ${tools.map((tool) => tool.name).join(', ') || 'none'}.`)
  }
  try {
    const input: unknown = JSON.parse(json ?? '{}')
    // The pattern lets only an object through.
    return { type: 'calls', calls: [{ name, arguments: input as Record<string, unknown> }] }
  } catch {
    return say(`What stands after ${name} is not JSON.`)
  }
}

function counts(prompt: string): DemoReply | null {
  const [, count, slowly] = /\bcount (?:up )?to (\d{1,9})\b(.*slow)?/is.exec(prompt) ?? []
  const seconds = /\bwait (?:for )?(\d{1,9}) ?s(?:ec(?:ond)?s?)?\b/i.exec(prompt)?.[1]
  const wanted = Number(count ?? seconds)
  if (!wanted) return null
  const upTo = Math.min(wanted, MAX_COUNT)
  const numbers = Array.from({ length: upTo }, (_, index) => `${index + 1}${index + 1 === upTo ? '' : '\n'}`)
  const first = seconds && !count ? `Waiting ${upTo} seconds.\n` : `Counting to ${upTo}.\n`
  const limit = wanted > MAX_COUNT ? `(${MAX_COUNT} is as far as I go.)\n` : ''
  const end = seconds && !count ? '\nDone waiting.' : '\nDone.'
  return {
    type: 'paced',
    pieces: [SAYS + first + limit, ...numbers, end],
    everyMs: slowly || (seconds && !count) ? 1_000 : 10,
  }
}

function lists(prompt: string, tools: DemoTool[]): DemoReply | null {
  if (!/\b(list|show|which|what)\b[^.?!]{0,30}\b(files|folder|directory)\b/i.test(prompt) || filesIn(prompt).length > 0)
    return null
  const list = offered('list', tools)
  if (list) return { type: 'calls', calls: [{ name: list.name, arguments: { [list.argument]: '.' } }] }
  // OpenCode's read also lists folders, and needs no other program for it, as its glob does.
  const read = tools.find(({ name }) => name === 'read')
  if (read) return callOne('read', '.', tools, '')
  return callOne('glob', '**/*', tools, 'I would list the files, but this agent has no tool that lists them.')
}

function reads(prompt: string, tools: DemoTool[]): DemoReply | null {
  const files = filesIn(prompt).slice(0, MAX_FILES)
  if (files.length === 0) return null
  const tool = offered('read', tools)
  if (!tool) return say(`You name ${files.join(', ')}, but this agent has no tool that reads files.`)
  return { type: 'calls', calls: files.map((file) => ({ name: tool.name, arguments: { [tool.argument]: file } })) }
}

const EXTENSIONS =
  'md|mdx|txt|ya?ml|json|jsonc|toml|tsx?|jsx?|mjs|cjs|py|go|rs|rb|java|kt|swift|c|h|cc|cpp|cs|php|sh|sql|html?|css|scss|csv|tsv|xml|ini|cfg|conf|log|lock|diff|patch|ipynb|proto|graphql|tf'
const FOLDERS = '(?:[\\w.@~+-]+/)*'
/** How a file is named in a sentence: in back quotes, from the root of the machine, with a known ending, by a name known without one. */
const FILE = new RegExp(
  [
    '`([^`\\s]+[./][^`\\s]*)`',
    '(?<![\\w:/.])(/(?:etc|home|opt|proc|root|tmp|usr|var|workspace)/[\\w.@~+/-]+)',
    `(?<![\\w:/.@-])(${FOLDERS}[\\w.@+-]+\\.(?:${EXTENSIONS}))(?![\\w/])`,
    `(?<![\\w/.])(${FOLDERS}(?:README|LICENSE|Makefile|Dockerfile|AGENTS))(?![\\w/.])`,
  ].join('|'),
  'g',
)
/** How runtimes name the files that came with a message, a line each: `- files/a b.md (text/markdown, 120 bytes)`. */
const CAME_ALONG = /^- (.+) \([\w.+-]+\/[\w.+-]+, \d+ bytes\)$/gm
const SOFTWARE = /^(node|next|vue|react|express|three|d3|nuxt|chart)\.js$/i

/** The files that a prompt names, each once: those that came along first. Addresses and names of software are none. */
function filesIn(prompt: string): string[] {
  const along = [...prompt.matchAll(CAME_ALONG)].map(([, path = '']) => path)
  const text = prompt.replace(CAME_ALONG, ' ').replace(/\bhttps?:\/\/\S+/g, ' ')
  const named = [...text.matchAll(FILE)]
    .map(([, quoted, rooted, ended, bare]) =>
      (quoted ?? rooted ?? ended ?? bare ?? '').replace(/^@/, '').replace(/[.,;:!?]+$/, ''),
    )
    .filter((file) => file && !SOFTWARE.test(file))
  const all = [...new Set([...along, ...named])]
  // `notes.md` of the sentence is the `files/notes.md` that came along.
  return all.filter((file) => !all.some((other) => other.endsWith(`/${file}`)))
}

function titleOf(prompt: string): string {
  const words = prompt.replace(/\s+/g, ' ').trim().split(' ')
  let title = ''
  for (const word of words) {
    if (`${title} ${word}`.trim().length > 50) break
    title = `${title} ${word}`.trim()
  }
  return title || words[0]?.slice(0, 50) || 'New session'
}

function summaryOf(messages: DemoMessage[]): string {
  const prompts = messages.filter(({ role }) => role === 'user').map(({ text }) => titleOf(promptOf(text)))
  const tools = messages.flatMap(({ calls }) => calls.map(({ name }) => name))
  return `The conversation so far: ${prompts.length} messages of the person (${prompts.slice(0, 5).join('; ')}), ${tools.length} tool calls.`
}

function explanation(messages: DemoMessage[], tools: DemoTool[]): string {
  const can = [
    offered('read', tools) && '- read a file that you name: "what is in README.md?"',
    (offered('list', tools) ?? offered('read', tools) ?? offered('glob', tools)) && '- list the files: "list files"',
    offered('run', tools) && '- run a command: "run: ls -l"',
    offered('write', tools) && '- write a file: "write notes.txt: remember the milk"',
    offered('ask', tools) && '- ask you something: "ask me"',
    tools.length > 0 && '- call any tool I am given: "call TOOL {json}"',
    '- take my time, so that you can watch and stop me: "count to 30 slowly"',
  ].filter(Boolean)
  const prompts = messages.filter(({ role }) => role === 'user')
  const first = titleOf(promptOf(prompts[0]?.text ?? ''))
  const remembers =
    prompts.length > 1 ? `\n\nThis is message ${prompts.length} of this session; the first was "${first}".` : ''
  return [
    'I am the offline demo model: fixed rules, no intelligence, and none of them fits this prompt. What I can do:',
    can.join('\n'),
    `\nFor a real model set ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENAI_BASE_URL (any OpenAI-compatible server) and start the hub again.${remembers}`,
  ].join('\n')
}
