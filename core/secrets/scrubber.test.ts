import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createScrubber, type Scrubber } from './scrubber.ts'

// Samples are put together here, so that no scanner takes this file for a leak.
const alphabet = {
  alphanumeric: 'AbCdEfGhIjKlMnOpQrStUvWxYz0123456789aBcDeFgHiJkLmNoPqRsTuVwXyZ',
  upper: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',
  hex: '0123456789abcdef',
}
/** Text that looks random and is the same every time. */
function random(length: number, from: string = alphabet.alphanumeric, seed = 7): string {
  let text = ''
  for (let state = seed * 7919 + length; text.length < length; ) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    text += from[(state >>> 8) % from.length]
  }
  return text
}
const join = (...parts: string[]) => parts.join('')
const base64url = (text: string) => Buffer.from(text).toString('base64url')

const jwt = join(
  'ey',
  base64url('{"alg":"HS256","typ":"JWT"}').slice(2),
  '.',
  base64url('{"sub":"1234567890","name":"Ada"}'),
  '.',
  random(43),
)
const pem = (label: string, lineLength = 64, lines = 6) =>
  join(
    '-----BEG',
    `IN ${label}-----\n`,
    Array.from({ length: lines }, (_, i) => random(lineLength, undefined, i + 1)).join('\n'),
    `\n-----END ${label}-----`,
  )

const providers: [kind: string, secret: string, text?: (secret: string) => string][] = [
  ['openai_key', join('sk', '-', random(48))],
  ['openai_key', join('sk', '-proj-', random(60), '-', random(40), '_', random(20))],
  ['openai_key', join('sk', '-or-v1-', random(64, alphabet.hex))],
  ['anthropic_key', join('sk', '-ant-api03-', random(40), '_', random(30), '-', random(20), 'AA')],
  ['github_token', join('gh', 'p_', random(36))],
  ['github_token', join('gh', 's_', random(36))],
  ['github_token', join('github', '_pat_', random(22), '_', random(59))],
  ['gitlab_token', join('gl', 'pat-', random(20))],
  ['slack_token', join('xo', 'xb-', random(12, '0123456789'), '-', random(12, '0123456789'), '-', random(24))],
  [
    'slack_token',
    join('xa', 'pp-1-A', random(10, alphabet.upper), '-', random(13, '0123456789'), '-', random(64, alphabet.hex)),
  ],
  [
    'slack_webhook',
    join('T', random(9, alphabet.upper), '/B', random(9, alphabet.upper), '/', random(24)),
    (s) => `https://hooks.slack.com/services/${s}`,
  ],
  ['aws_access_key_id', join('AK', 'IA', random(16, alphabet.upper))],
  ['aws_secret_key', random(40, `${alphabet.alphanumeric}/+`), (s) => `aws_secret_access_key = ${s}`],
  ['aws_secret_key', random(40, `${alphabet.alphanumeric}/+`), (s) => `{"SecretAccessKey": "${s}"}`],
  ['aws_secret_key', random(40, `${alphabet.alphanumeric}/+`), (s) => `export AWS_SECRET_ACCESS_KEY='${s}'`],
  ['google_key', join('AI', 'za', random(35))],
  ['stripe_key', join('sk', '_live_', random(24))],
  ['stripe_key', join('rk', '_live_', random(99))],
  ['webhook_secret', join('wh', 'sec_', random(32))],
  ['linear_key', join('lin', '_api_', random(40))],
  ['npm_token', join('np', 'm_', random(36))],
  [
    'signalbox_token',
    join('sb', 'x_', random(8, 'abcdefghijkmnpqrstuvwxyz234567'), '_', random(43, `${alphabet.alphanumeric}-_`)),
  ],
  ['signalbox_token', join('sb', 's_', random(43, `${alphabet.alphanumeric}-_`))],
  ['hugging_face_token', join('h', 'f_', random(34))],
  ['jwt', jwt],
  ['bearer_token', random(32), (s) => `Authorization: Bearer ${s}`],
  [
    'bearer_token',
    random(43, `${alphabet.alphanumeric}-_`),
    (s) => `curl -H "authorization: bearer ${s}" http://127.0.0.1`,
  ],
  [
    'basic_credentials',
    Buffer.from(`aladdin:${random(12)}`).toString('base64'),
    (s) => `{"Authorization":"Basic ${s}"}`,
  ],
  ['url_password', random(16), (s) => `postgres://hub:${s}@db.example.com:5432/hub`],
  ['url_password', `p@${random(16)}!%`, (s) => `redis://:${s}@127.0.0.1`],
  ['private_key', pem('RSA PRIVATE KEY')],
  ['private_key', pem('PRIVATE KEY', 64, 1)],
  ['private_key', pem('OPENSSH PRIVATE KEY', 70, 30)],
  ['private_key', pem('EC PRIVATE KEY').replaceAll('\n', '\\n')],
  [
    'private_key',
    pem('ENCRYPTED PRIVATE KEY').replace('-----\n', '-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0011\n\n'),
  ],
  ['private_key', pem('PGP PRIVATE KEY BLOCK').replace('-----\n', '-----\nVersion: GnuPG v2.0.22 (GNU/Linux)\n\n')],
]
const samples = providers.map(([kind, secret, text = (s: string) => s]) => ({
  kind,
  secret,
  text: `Here it is: ${text(secret)} and "more".\n`,
}))

/** Pieces of 12 characters of the secret that are still to be seen. */
function leaks(secret: string, seen: string): string[] {
  const pieces = Array.from({ length: Math.max(1, secret.length - 11) }, (_, i) => secret.slice(i, i + 12))
  return pieces.filter(
    (piece) => !/^[-\s]|-----|PRIVATE|Version|Proc-Type|DEK-Info/.test(piece) && seen.includes(piece),
  )
}

function streamed(scrubber: Scrubber, pieces: string[]): { text: string; count: number; shown: string[] } {
  const stream = scrubber.stream()
  const shown = [...pieces.map((piece) => stream.push(piece)), stream.end()]
  return { text: shown.join(''), count: stream.count, shown }
}

function expectSameInPieces(scrubber: Scrubber, text: string, expected: string) {
  expect(streamed(scrubber, text.split('')).text, 'one character at a time').toBe(expected)
  for (let cut = 1; cut < text.length; cut++) {
    const { text: result } = streamed(scrubber, [text.slice(0, cut), text.slice(cut)])
    if (result !== expected) expect(result, `cut at ${cut}`).toBe(expected)
  }
}

describe('secrets of providers', () => {
  const scrubber = createScrubber()

  test.each(samples)(
    '$kind: $secret.length characters are replaced, wherever the text is cut',
    ({ kind, secret, text }) => {
      const result = scrubber.scrub(text)
      expect(result.text).toContain(`[REDACTED:${kind}]`)
      expect(result.text).toMatch(/^Here it is: /)
      expect(result.text).toMatch(/ and "more"\.\n$/)
      expect(result.count).toBe(1)
      expect(leaks(secret, result.text)).toEqual([])
      expect(scrubber.scrub(result.text)).toEqual({ text: result.text, count: 0 })
      expectSameInPieces(scrubber, text, result.text)
    },
  )

  test.each(samples)('$kind: nothing is shown of it before it is complete', ({ secret, text }) => {
    const stream = scrubber.stream()
    let shown = ''
    for (const character of text.slice(0, text.indexOf(secret) + secret.length)) shown += stream.push(character)
    expect(leaks(secret, shown)).toEqual([])
  })

  test('a secret is found after an escape, a percent code and a terminal colour', () => {
    const secret = join('gh', 'p_', random(36))
    for (const before of ['\\n', '\\t', '%3D', '\\u0022', '\u001b[32m', '\u001b[0;1;31m', '_', '=', '"', '/']) {
      expect(scrubber.scrub(`x${before}${secret} y`).text).toBe(`x${before}[REDACTED:github_token] y`)
    }
  })

  test('a private key that breaks off is replaced as far as it goes', () => {
    const open = pem('RSA PRIVATE KEY').split('\n').slice(0, 4).join('\n')
    expect(scrubber.scrub(`key:\n${open}`).text).toBe('key:\n[REDACTED:private_key]')
    expect(scrubber.scrub(`key:\n${open}\n... (cut)`).text).toBe('key:\n[REDACTED:private_key]... (cut)')
  })

  test('a half END line does not close a private key', () => {
    const stream = scrubber.stream()
    const [begin, ...rest] = pem('RSA PRIVATE KEY').split('\n')
    expect(stream.push(`${begin}\n${rest[0]}\n-----END`)).toBe('')
    expect(stream.push(`\n${rest[1]}\n-----END RSA PRIVATE KEY----`)).toBe('')
    expect(stream.push('-\n')).toBe('[REDACTED:private_key]\n')
    expect(stream.push('done')).toBe('done')
  })

  test('an open block of any length shows nothing', () => {
    const long = pem('PGP PRIVATE KEY BLOCK', 64, 3_000)
    const { text } = scrubber.scrub(`a ${long} b`)
    expect(text.replaceAll('[REDACTED:private_key]', '')).toBe('a  b')
  })
})

describe('what only looks like a secret is left alone', () => {
  const scrubber = createScrubber()
  const image = `data:image/png;base64,${Buffer.from(random(3_000)).toString('base64')}`
  test.each([
    ['git sha', `commit ${random(40, alphabet.hex)}`],
    ['sha256', `sha256:${random(64, alphabet.hex)}`],
    ['uuid', 'id 3f2504e0-4f89-41d3-9a0c-0305e82c3301'],
    ['integrity hash', `"integrity": "sha512-${Buffer.from(random(64)).toString('base64')}"`],
    ['base64 image', image],
    [
      'source map',
      `//# sourceMappingURL=data:application/json;base64,${Buffer.from(`{"version":3,"mappings":"${random(900)}"}`).toString('base64')}`,
    ],
    ['page cursor', `next=${base64url(`{"id":"${random(30)}"}`)}`],
    ['css classes', '.sk-fading-circle-12-animation .sk-cube-grid .sk-spinner-double-bounce'],
    ['words', 'The risk-1234567890abcdefghijklmnop task-sk-management disk-0123456789abcdefghij'],
    [
      'placeholders',
      'sk-ant-xxxxxxxxxxxxxxxxxxxxxxxx sk-your-api-key-goes-here-please ghp_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX Bearer YOUR_ACCESS_TOKEN_HERE',
    ],
    ['variables', 'postgres://hub:$PASSWORD@db/hub https://x:$TOKEN@host Bearer $TOKEN Authorization: Bearer <token>'],
    [
      'urls',
      'http://127.0.0.1:4000/runs https://example.com:443/@user https://esm.sh/react@18 ssh://git@host:22/repo mailto:a@b.c',
    ],
    ['prose about keys', 'Paste the part between -----BEGIN PRIVATE KEY----- and -----END PRIVATE KEY----- here.'],
    ['certificate', pem('CERTIFICATE')],
    ['public key', pem('PUBLIC KEY')],
    [
      'names of variables',
      'AWS_SECRET_ACCESS_KEY, npm_config_registry_url_of_the_mirror_number_1234567890, AKIAAAAAAAAAAAAAAAAAAAAAAA',
    ],
    ['token prefix', 'sbx_abcdefgh'],
    [
      'prose',
      'A bearer token is a string. Basic authentication, the secret_access_key and session_token fields; e.g. eyJhbGciOi... is how one starts.',
    ],
  ])('%s', (_, text) => {
    expect(scrubber.scrub(text)).toEqual({ text, count: 0 })
    expect(streamed(scrubber, text.split('')).text).toBe(text)
  })

  test('an earlier redaction, and text that imitates one is not a hiding place', () => {
    const secret = join('gh', 'p_', random(36))
    expect(scrubber.scrub('a [REDACTED:github_token] b').count).toBe(0)
    expect(scrubber.scrub(`a [REDACTED:${secret}] b`).text).toBe('a [REDACTED:[REDACTED:github_token]] b')
  })
})

describe('known values', () => {
  const value = 'Zq9/pa+ss "wörd"\\\\ & <9>?'
  const scrubber = createScrubber()
  scrubber.add(value, 'vault:db')
  const bytes = Buffer.from(value)
  const forms: [name: string, text: string, left?: RegExp][] = [
    ['as it is', value],
    ['JSON', JSON.stringify(value).slice(1, -1)],
    ['JSON in JSON', JSON.stringify(JSON.stringify(value)).slice(3, -3)],
    ['URL', encodeURIComponent(value)],
    ['URL in small letters', encodeURIComponent(value).replace(/%../g, (code) => code.toLowerCase())],
    ['form', new URLSearchParams({ v: value }).toString().slice(2)],
    ['hex', bytes.toString('hex')],
    ['HEX', bytes.toString('hex').toUpperCase()],
    ['base64', bytes.toString('base64'), /^[A-Za-z0-9+/=]{0,4}$/],
    ['base64 of user:value', Buffer.from(`us:${value}\n`).toString('base64').slice(4), /^[A-Za-z0-9+/=]{0,8}$/],
    ['base64 one further', Buffer.from(`u:${value}--`).toString('base64'), /^[A-Za-z0-9+/=]{0,10}$/],
    ['base64url two further', Buffer.from(`user:${value}-`).toString('base64url'), /^[A-Za-z0-9_-]{0,12}$/],
    ['base64, wrapped', bytes.toString('base64').replace(/.{10}/g, '$&\n'), /^[A-Za-z0-9+/=\n]{0,5}$/],
    ['HTML', value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')],
  ]

  test.each(forms)('%s', (_, text, left = /^$/) => {
    const line = `x=(${text}) end`
    const result = scrubber.scrub(line)
    expect(result.count).toBe(1)
    expect(result.text).toMatch(/^x=\(.*\[REDACTED:vault:db\][\s\S]*\) end$/)
    expect(result.text.slice(3, -5).replace('[REDACTED:vault:db]', '')).toMatch(left)
    expectSameInPieces(scrubber, line, result.text)
    expect(scrubber.scrub(result.text).count).toBe(0)
  })

  test('values of 8 characters are looked for, shorter ones are not', () => {
    const one = createScrubber()
    expect(one.add('hunter2', 'a')).toBe(false)
    expect(one.add('hunter22', 'b')).toBe(true)
    expect(one.scrub('hunter2 hunter22').text).toBe('hunter2 [REDACTED:b]')
  })

  test('a value that contains or overlaps another is replaced as a whole', () => {
    const one = createScrubber()
    one.add('abcdefgh', 'inner')
    one.add('00abcdefgh99', 'outer')
    one.add('gh99 tail', 'next')
    expect(one.scrub('x 00abcdefgh99 tail y')).toEqual({ text: 'x [REDACTED:outer] y', count: 1 })
    expect(one.scrub('x 00abcdefgh y').text).toBe('x 00[REDACTED:inner] y')
    expectSameInPieces(one, 'x 00abcdefgh99 tail y 00abcdefgh99ab', 'x [REDACTED:outer] y [REDACTED:outer]ab')
  })

  test('a value that is part of its own kind does not grow', () => {
    const one = createScrubber()
    one.add('password', 'db_password')
    const { text } = one.scrub('the password is')
    expect(text).toBe('the [REDACTED:db_password] is')
    expect(one.scrub(text)).toEqual({ text, count: 0 })
  })

  test('a value added while a stream is open is found in what comes after', () => {
    const one = createScrubber()
    const stream = one.stream()
    expect(stream.push('before ')).toBe('before ')
    one.add('late-secret-1', 'late')
    expect(stream.push('late-secret-1 after') + stream.end()).toBe('[REDACTED:late] after')
    expect(stream.count).toBe(1)
  })

  test('a thousand values in random text, cut at random, leave nothing', () => {
    const one = createScrubber()
    const secrets = Array.from({ length: 1_000 }, () => randomBytes(24).toString('base64'))
    for (const secret of secrets) one.add(secret, 'vault')
    const text = secrets
      .map((secret, i) => `${i} ${i % 3 ? secret : Buffer.from(`k=${secret}`).toString('base64')}\n`)
      .join('')
    const { text: clean, count } = one.scrub(text)
    expect(count).toBe(1_000)
    expect(secrets.flatMap((secret) => leaks(secret, clean))).toEqual([])
    const pieces: string[] = []
    for (let at = 0, size = 1; at < text.length; at += size, size = (size * 7 + 3) % 41 || 1)
      pieces.push(text.slice(at, at + size))
    expect(streamed(one, pieces)).toMatchObject({ text: clean, count })
  })
})

describe('live text', () => {
  test('ordinary words pass at once', () => {
    const scrubber = createScrubber()
    for (const word of [
      'Hello',
      ' world',
      ', this is ',
      'a task: ',
      '## Title\n',
      'http://127.0.0.1/x ',
      '日本語',
      '🙂',
      '{"a": [1, 2]}',
    ]) {
      expect(scrubber.stream().push(word)).toBe(word)
    }
  })

  test('only what may be the beginning of a secret is held back', () => {
    const scrubber = createScrubber()
    scrubber.add('correct horse battery', 'vault')
    const stream = scrubber.stream()
    expect(stream.push('the corr')).toBe('the ')
    expect(stream.holding).toBe(true)
    expect(stream.push('idor, a sk')).toBe('corridor, a ')
    expect(stream.push('y, ')).toBe('sky, ')
    expect(stream.holding).toBe(false)
    expect(stream.push('the correct horse batter')).toBe('the ')
    expect(stream.push('y')).toBe('[REDACTED:vault]')
    expect(stream.end()).toBe('')
    expect(stream.count).toBe(1)
  })

  test('any mixture of secrets, halves of secrets and text gives the same in any pieces, and stays as it is', () => {
    const scrubber = createScrubber()
    for (const value of ['correct horse battery', 'abcabcabcabd', 'hunter22/+&"x']) scrubber.add(value, 'vault')
    const fragments = [
      ...samples.slice(0, 30).map(({ text }) => text),
      'sk-',
      'sk-ant-',
      'eyJ',
      '.',
      'correct horse battery',
      'abcabc',
      'abcabcabcabd',
      'hunter22%2F%2B%26%22x',
      '\n',
      ' ',
      '-----BEGIN ',
      'PRIVATE KEY-----',
      '-----END ',
      '://',
      'user:',
      'p@',
      'host/',
      'Bearer ',
      '[REDACTED:',
      'jwt]',
      'x',
      '🙂',
      'AKIA',
      'ABCDEFGHIJKLMNOP',
      'aws_secret_access_key=',
      '-',
      '_',
      '\\n',
      '%3D',
      random(20),
      random(40),
    ]
    let state = 42
    const next = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
      return (state >>> 8) % below
    }
    for (let round = 0; round < 1_500; round++) {
      const text = Array.from({ length: 1 + next(12) }, () => fragments[next(fragments.length)]!).join('')
      const pieces: string[] = []
      for (let at = 0; at < text.length; at += pieces.at(-1)!.length)
        pieces.push(text.slice(at, at + 1 + next(round % 2 ? 3 : 30)))
      const whole = scrubber.scrub(text)
      expect(streamed(scrubber, pieces)).toMatchObject(whole)
      expect(whole.text).not.toMatch(/correct horse battery|abcabcabcabd|hunter22%2F/)
      expect(scrubber.scrub(whole.text)).toEqual({ text: whole.text, count: 0 })
    }
  })

  test('a held end comes out at the end', () => {
    const stream = createScrubber().stream()
    expect(stream.push('ask -----BEGIN')).toBe('ask ')
    expect(stream.end()).toBe('-----BEGIN')
  })
})

describe('values', () => {
  const scrubber = createScrubber()
  scrubber.add('top-secret-value', 'vault')
  const key = join('gh', 'p_', random(36))

  test('strings are scrubbed at any depth, keys too, and the given value stays as it was', () => {
    const given = {
      a: [1, null, true, { b: `x ${key}` }],
      [`k ${key}`]: 'top-secret-value',
      [`k ${key.toLowerCase()}`]: 1,
    }
    const before = structuredClone(given)
    const { value, count } = scrubber.scrubValue(given)
    expect(value).toEqual({
      a: [1, null, true, { b: 'x [REDACTED:github_token]' }],
      'k [REDACTED:github_token]': '[REDACTED:vault]',
      'k [REDACTED:github_token] 2': 1,
    })
    expect(count).toBe(4)
    expect(given).toEqual(before)
  })

  test('a name tells what its value is', () => {
    const secret = random(40, `${alphabet.alphanumeric}/+`)
    expect(
      scrubber.scrubValue({ SecretAccessKey: secret, authorization: 'Basic dXNlcjpQYXNzd29yZDE=', other: secret })
        .value,
    ).toEqual({
      SecretAccessKey: '[REDACTED:aws_secret_key]',
      authorization: 'Basic [REDACTED:basic_credentials]',
      other: secret,
    })
  })

  test('cycles, deep nesting, dates, errors, numbers and __proto__ are safe', () => {
    scrubber.add('12345678901', 'pin')
    const cycle: Record<string, unknown> = { at: new Date(0), shared: [1] }
    cycle.self = cycle
    cycle.again = cycle.shared
    expect(scrubber.scrubValue(cycle).value).toEqual({
      at: '1970-01-01T00:00:00.000Z',
      shared: [1],
      self: '[Circular]',
      again: [1],
    })
    let deep: unknown = 'top-secret-value'
    for (let i = 0; i < 20_000; i++) deep = [deep]
    expect(JSON.stringify(scrubber.scrubValue(deep).value)).toContain('[Too deep]')
    expect(scrubber.scrubValue(new Error(`no ${key}`, { cause: 'top-secret-value' })).value).toMatchObject({
      message: 'no [REDACTED:github_token]',
      cause: '[REDACTED:vault]',
    })
    expect(scrubber.scrubValue({ pin: 12345678901 }).value).toEqual({ pin: '[REDACTED:pin]' })
    const { value } = scrubber.scrubValue(JSON.parse('{"__proto__": {"polluted": "top-secret-value"}}'))
    expect(JSON.stringify(value)).toBe('{"__proto__":{"polluted":"[REDACTED:vault]"}}')
  })
})
