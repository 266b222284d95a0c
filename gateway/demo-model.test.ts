import { describe, expect, test } from 'vitest'
import { DemoRequest, demoAnswer, type Pause } from './demo-model.ts'

/** The tools as OpenCode offers them: names and arguments. */
const offered: Record<string, string[]> = {
  bash: ['command', 'timeout', 'workdir'],
  edit: ['filePath', 'oldString', 'newString'],
  glob: ['pattern', 'path'],
  grep: ['pattern', 'path', 'include'],
  question: ['questions'],
  read: ['filePath', 'offset', 'limit'],
  webfetch: ['url'],
  write: ['content', 'filePath'],
}
const toolsNamed = (names: string[], from = offered) =>
  names.map((name) => ({
    type: 'function',
    function: {
      name,
      parameters: {
        type: 'object',
        properties: Object.fromEntries((from[name] ?? []).map((argument) => [argument, { type: 'string' }])),
      },
    },
  }))
const allTools = toolsNamed(Object.keys(offered))

type Message = DemoRequest['messages'][number]
const system: Message = { role: 'system', content: 'You are an agent. Generated titles are not your task.' }
const user = (content: string): Message => ({ role: 'user', content })
const called = (name: string, args: object, id = 'call_1'): Message => ({
  role: 'assistant',
  content: '',
  tool_calls: [{ id, function: { name, arguments: JSON.stringify(args) } }],
})
const result = (content: string, id = 'call_1'): Message => ({ role: 'tool', tool_call_id: id, content })

const noTime: Pause = () => Promise.resolve()
const never = new AbortController().signal

async function collect(body: object, pause = noTime, signal = never): Promise<string[]> {
  const pieces: string[] = []
  for await (const piece of demoAnswer(DemoRequest.parse({ model: 'demo', ...body }), pause, signal)) pieces.push(piece)
  return pieces
}

type Completion = {
  choices: {
    message: { content: string | null; tool_calls?: { id: string; function: { name: string; arguments: string } }[] }
    finish_reason: string
  }[]
}

/** The answer without streaming: its text, or its tool calls as `[name, arguments]`. */
async function answer(messages: Message[], tools: object[] = allTools) {
  const [document] = await collect({ messages: [system, ...messages], tools })
  const { message, finish_reason } = (JSON.parse(document!) as Completion).choices[0]!
  const calls = message.tool_calls?.map((call) => [call.function.name, JSON.parse(call.function.arguments) as unknown])
  expect(finish_reason).toBe(calls ? 'tool_calls' : 'stop')
  return calls ?? message.content ?? ''
}
const ask = (prompt: string, tools?: object[]) => answer([user(prompt)], tools)

describe('a prompt that names a file has it read', () => {
  test.each([
    ['What is in files/signalbox.yaml?', ['files/signalbox.yaml']],
    ['"Summarise README.md, please."', ['README.md']],
    ['look at @src/app.tsx and `docs/.hidden`', ['src/app.tsx', 'docs/.hidden']],
    ['Compare README with package.json', ['README', 'package.json']],
    ['read /etc/hostname', ['/etc/hostname']],
    ['Read `config/.env.example`!', ['config/.env.example']],
    [
      'Summarise the attached file\n\nFiles that came with this message, in the working directory:\n- files/my notes.md (text/markdown, 12 bytes)',
      ['files/my notes.md'],
    ],
    [
      'What is in notes.md?\n\nFiles that came with this message, in the working directory:\n- files/notes.md (text/markdown, 12 bytes)',
      ['files/notes.md'],
    ],
    ['<system-reminder>See AGENTS.md</system-reminder> what does b.py do?', ['b.py']],
    ['a.md b.md c.md d.md', ['a.md', 'b.md', 'c.md']],
  ])('%s', async (prompt, files) => {
    expect(await ask(prompt)).toEqual(files.map((filePath) => ['read', { filePath }]))
  })

  test.each([
    'What is Node.js?',
    'See https://example.com/a/readme.md',
    'Is version 1.2.3 better, e.g. and/or for a.m. use?',
    'GET /api/v1/runs fails',
  ])('unless it names none: %s', async (prompt) => {
    expect(await ask(prompt)).toMatch(/^\[demo model\] I am the offline demo model/)
  })

  test("by the tool's own name for the argument", async () => {
    const tools = toolsNamed(['read_file'], { read_file: ['path'] })
    expect(await ask('read a.md', tools)).toEqual([['read_file', { path: 'a.md' }]])
  })

  test('or says that it cannot', async () => {
    expect(await ask('read a.md', toolsNamed(['bash']))).toBe(
      '[demo model] You name a.md, but this agent has no tool that reads files.',
    )
  })
})

describe('other prompts that ask for a tool', () => {
  test.each([
    ['list files', [['read', { filePath: '.' }]]],
    ['Which files are in this folder?', [['read', { filePath: '.' }]]],
    ['run: ls -l | wc -l', [['bash', { command: 'ls -l | wc -l' }]]],
    ['Do this:\n```sh\necho a\necho b\n```', [['bash', { command: 'echo a\necho b' }]]],
    ['write notes.txt: two\nlines', [['write', { filePath: 'notes.txt', content: 'two\nlines' }]]],
    ['call grep {"pattern":"x"}', [['grep', { pattern: 'x' }]]],
    ['call webfetch', [['webfetch', {}]]],
  ])('%s', async (prompt, calls) => {
    expect(await ask(prompt)).toEqual(calls)
  })

  test('list files prefers a tool for that, and falls back to a pattern', async () => {
    const own = { list: ['path'], glob: ['pattern'] }
    expect(await ask('list files', toolsNamed(['list', 'glob'], own))).toEqual([['list', { path: '.' }]])
    expect(await ask('list files', toolsNamed(['glob'], own))).toEqual([['glob', { pattern: '**/*' }]])
  })

  test('ask me asks a question with two options', async () => {
    const calls = await ask('ask me something')
    expect(calls).toMatchObject([
      ['question', { questions: [{ header: 'Drink', options: [{ label: 'Tea' }, { label: 'Coffee' }] }] }],
    ])
  })

  test.each([
    ['run: ls', /no tool that runs commands/],
    ['write a.md: b', /no tool that writes files/],
    ['ask me', /no tool that asks people/],
    ['list files', /no tool that lists them/],
    ['call deploy {}', /There is no tool deploy here. The tools are: webfetch/],
    ['call webfetch {nope}', /is not JSON/],
  ])('%s says so when it cannot', async (prompt, text) => {
    expect(await ask(prompt, toolsNamed(['webfetch']))).toMatch(text)
  })
})

describe('what a tool found is told as it is', () => {
  const yaml = 'version: 1\nagents:\n  welcome:\n    description: Says hello\n  reviewer:\n    model: demo/demo\n'
  const numbered = (text: string) =>
    text
      .replace(/\n$/, '')
      .split('\n')
      .map((line, index) => `${index + 1}: ${line}`)
      .join('\n')
  const opened = (
    path: string,
    text: string,
    end = `(End of file - total ${text.replace(/\n$/, '').split('\n').length} lines)`,
  ) => `<path>${path}</path>\n<type>file</type>\n<content>\n${numbered(text)}\n\n${end}\n</content>`

  const read = (filePath: string, content: string) =>
    answer([user(`read ${filePath}`), called('read', { filePath }), result(content)])

  test('agents of a signalbox.yaml, with their descriptions', async () => {
    expect(await read('files/signalbox.yaml', opened('/w/files/signalbox.yaml', yaml))).toBe(
      '[demo model] I read files/signalbox.yaml: 6 lines.\n\nIts top-level keys: version, agents.\n\nIt declares 2 agents:\n- welcome: Says hello\n- reviewer',
    )
  })

  test.each([
    [
      'headings of Markdown, code left out',
      'a.md',
      opened('/a.md', '# One\n\n```\n# not this\n```\n\n## Two ##\n'),
      '7 lines.\n\nIts headings:\n- One\n  - Two',
    ],
    [
      'the first line of Markdown without headings',
      'a.md',
      opened('/a.md', '\nhello\n'),
      '2 lines.\n\nIt starts with: hello',
    ],
    ['keys of JSON', 'a.json', opened('/a.json', '{"name":"x","on":1}'), '1 line.\n\nIts top-level keys: name, on.'],
    ['a list of JSON', 'a.json', opened('/a.json', '[1,2,3]'), '1 line.\n\nIt is a list of 3 entries.'],
    [
      'the first line of anything else',
      'a.ts',
      opened('/a.ts', 'export const a = 1\n'),
      '1 line.\n\nIt starts with: export const a = 1',
    ],
    ['a file without numbers before its lines', 'a.txt', 'one\ntwo\n', '2 lines.\n\nIt starts with: one'],
    [
      'a file longer than what was read',
      'a.txt',
      opened('/a.txt', 'one\ntwo\n', '(Showing lines 1-2 of 5000. Use offset=3 to continue.)'),
      '5000 lines.\n\nIt starts with: one',
    ],
    [
      'a file of unknown length',
      'a.txt',
      opened('/a.txt', 'one\ntwo\n', '(Showing lines 1-2. Use offset=3 to continue.)'),
      'more than 2 lines.\n\nIt starts with: one',
    ],
    ['YAML that is none', 'a.yml', opened('/a.yml', 'a: [1\nb: }\n'), /2 lines\.\n\nIt is not valid YAML: /],
  ])('%s', async (_, file, content, told) => {
    const text = await read(file, content)
    if (typeof told === 'string') expect(text).toBe(`[demo model] I read ${file}: ${told}`)
    else expect(text).toMatch(told)
  })

  test.each([
    'File not found: /w/nope.md',
    'The user rejected permission to use this specific tool call.',
    '/etc/passwd is outside of the workspace',
  ])('a failure: %s', async (failure) => {
    expect(await read('nope.md', failure)).toBe(`[demo model] I could not read nope.md: ${failure}`)
  })

  test('a path that the harness made absolute, as the person wrote it', async () => {
    const call = called('read', { filePath: '/var/workspaces/1/files/a.md' })
    expect(await answer([user('read files/a.md'), call, result(opened('/x/a.md', '# A'))])).toMatch(
      /I read files\/a\.md: 1 line/,
    )
  })

  test('two files in one turn, each by its own call', async () => {
    const calls: Message = {
      role: 'assistant',
      content: null,
      tool_calls: [
        ...called('read', { filePath: 'a.md' }, 'a').tool_calls!,
        ...called('read', { filePath: 'b.md' }, 'b').tool_calls!,
      ],
    }
    const text = await answer([
      user('a.md b.md'),
      calls,
      result(opened('/b.md', '# B'), 'b'),
      result(opened('/a.md', '# A'), 'a'),
    ])
    expect(text).toBe(
      '[demo model] I read b.md: 1 line.\n\nIts headings:\n- B\n\nI read a.md: 1 line.\n\nIts headings:\n- A',
    )
  })

  test.each([
    [
      'folders',
      'read',
      { filePath: '.' },
      '<path>/w</path>\n<type>directory</type>\n<entries>\nfiles/\nREADME.md\n\n(2 entries)\n</entries>',
      '2 entries:\n- files/\n- README.md',
    ],
    ['patterns', 'glob', { pattern: '*' }, '/w/a.md\n/w/b.md', '2 entries:\n- /w/a.md\n- /w/b.md'],
    ['patterns without a match', 'glob', { pattern: '*' }, 'No files found', 'I could not list *: No files found'],
    ['commands', 'bash', { command: 'echo hi' }, 'hi\n', '`echo hi` printed:\n\n```\nhi\n```'],
    ['commands that print nothing', 'bash', { command: 'true' }, '', '`true` ran and printed nothing.'],
    ['questions', 'question', { questions: [] }, 'Tea', 'You answered: Tea'],
    [
      'tools of others',
      'linear_get_issue',
      { id: 'A-1' },
      '{"title":"x"}',
      'The tool linear_get_issue said:\n\n```\n{"title":"x"}\n```',
    ],
  ])('%s', async (_, name, args, content, told) => {
    expect(await answer([user('go'), called(name, args), result(content)])).toBe(`[demo model] ${told}`)
  })

  test('the next prompt starts anew', async () => {
    const before = [
      user('read a.md'),
      called('read', { filePath: 'a.md' }),
      result('hello'),
      { role: 'assistant', content: '[demo model] ...' },
    ]
    expect(await answer([...before, user('run: ls')])).toEqual([['bash', { command: 'ls' }]])
    expect(await answer([...before, user('and now?')])).toMatch(
      /This is message 2 of this session; the first was "read a.md"/,
    )
  })
})

describe('what harnesses ask on the side', () => {
  test('a title is short and made of the prompt', async () => {
    const messages = [
      { role: 'system', content: 'You are a title generator. You output ONLY a thread title.' },
      user('Generate a title for this conversation:\n'),
      user('What is in files/signalbox.yaml, and why does nobody ever look at it before it breaks?'),
    ]
    const [document] = await collect({ messages })
    const title = (JSON.parse(document!) as Completion).choices[0]!.message.content!
    expect(title).toBe('What is in files/signalbox.yaml, and why does')
  })

  test('a summary counts what was there', async () => {
    const text = await answer(
      [user('read a.md'), called('read', { filePath: 'a.md' }), result('hello'), user('Summarize the conversation')],
      [],
    )
    expect(text).toBe(
      '[demo model] The conversation so far: 2 messages of the person (read a.md; Summarize the conversation), 1 tool calls.',
    )
  })
})

describe('streams', () => {
  const chunksOf = (pieces: string[]) =>
    pieces
      .filter((piece) => !piece.includes('[DONE]'))
      .map(
        (piece) =>
          JSON.parse(piece.slice('data: '.length)) as { choices: { delta: { content?: string } }[]; usage?: object },
      )
  const textOf = (pieces: string[]) =>
    chunksOf(pieces)
      .map(({ choices }) => choices[0]?.delta.content ?? '')
      .join('')

  test('carry the same text as the plain answer, in several pieces, and usage when it is asked for', async () => {
    const request = { messages: [user('hello')], tools: allTools }
    const plain = JSON.parse((await collect(request))[0]!) as Completion & { usage: unknown }
    const pieces = await collect({ ...request, stream: true, stream_options: { include_usage: true } })
    expect(textOf(pieces)).toBe(plain.choices[0]!.message.content)
    expect(pieces.length).toBeGreaterThan(10)
    expect(pieces.at(-1)).toBe('data: [DONE]\n\n')
    expect(chunksOf(pieces).at(-1)!.usage).toEqual(plain.usage)
    expect(chunksOf(await collect({ ...request, stream: true })).some(({ usage }) => usage)).toBe(false)
  })

  test('are the same each time, and another prompt has other ids', async () => {
    const stream = (prompt: string) => collect({ messages: [user(prompt)], tools: allTools, stream: true })
    expect(await stream('read a.md')).toEqual(await stream('read a.md'))
    const idIn = (pieces: string[]) => /"id":"call_(\w+)"/.exec(pieces.join(''))?.[1]
    expect(idIn(await stream('read a.md'))).toBeDefined()
    expect(idIn(await stream('read a.md'))).not.toBe(idIn(await stream('read b.md')))
  })

  test.each([
    ['count to 3 slowly', 'Counting to 3.\n1\n2\n3\nDone.', [1_000, 1_000, 1_000, 1_000]],
    ['wait 2 seconds', 'Waiting 2 seconds.\n1\n2\nDone waiting.', [1_000, 1_000, 1_000]],
    ['count to 2', 'Counting to 2.\n1\n2\nDone.', [10, 10, 10]],
  ])('%s', async (prompt, text, pauses) => {
    const waited: number[] = []
    const pause: Pause = (delayMs) => {
      waited.push(delayMs)
      return Promise.resolve()
    }
    expect(textOf(await collect({ messages: [user(prompt)], stream: true }, pause))).toBe(`[demo model] ${text}`)
    expect(waited).toEqual(pauses)
  })

  test('count no further than 120, and say so', async () => {
    const text = textOf(await collect({ messages: [user('count to 100000 slowly')], stream: true }))
    expect(text).toMatch(/Counting to 120\.\n\(120 is as far as I go\.\)\n1\n[\s\S]*\n120\nDone\.$/)
  })

  test('stop when they are told to', async () => {
    const abort = new AbortController()
    let pauses = 0
    const pause: Pause = async (_, signal) => {
      if (++pauses === 2) abort.abort()
      signal.throwIfAborted()
    }
    await expect(collect({ messages: [user('count to 9 slowly')], stream: true }, pause, abort.signal)).rejects.toThrow(
      'aborted',
    )
    expect(pauses).toBe(2)
  })
})
