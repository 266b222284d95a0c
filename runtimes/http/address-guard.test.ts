import { describe, expect, test } from 'vitest'
import { AddressRefused, checkUrl, guardedLookup, refusal } from './address-guard.ts'

const PUBLIC = [
  '93.184.216.34',
  '8.8.8.8',
  '1.1.1.1',
  '172.15.255.255',
  '172.32.0.1',
  '100.63.255.255',
  '100.128.0.1',
  '2606:2800:220:1::1',
  '2001:4860:4860::8888',
  '::ffff:8.8.8.8',
]
const PRIVATE = [
  '127.0.0.1',
  '127.255.255.254',
  '::1',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '100.127.255.255',
  'fd12:3456::1',
  '::ffff:127.0.0.1',
  '::ffff:10.1.2.3',
  '::ffff:7f00:1',
  '::127.0.0.1',
]
const NEVER = [
  '0.0.0.0',
  '0.1.2.3',
  '::',
  '::ffff:0.0.0.0',
  '255.255.255.255',
  '224.0.0.1',
  '239.1.1.1',
  '240.0.0.1',
  'ff02::1',
  '169.254.169.254',
  '169.254.170.2',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'fd00:ec2::254',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  '192.0.2.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '2001:db8::1',
  '100::1',
  '::7f00:1',
  '64:ff9b::7f00:1',
  '64:ff9b::a9fe:a9fe',
  '2002:7f00:1::',
  '2001:0:4136:e378:8000:63bf:3fff:fdd2',
  'not an address',
  '',
  '127.0.0.1:80',
]

describe('an address that was resolved', () => {
  test.each(PUBLIC)('%s is public and may be called', (address) => {
    expect(refusal(address, false)).toBeNull()
    expect(refusal(address, true)).toBeNull()
  })
  test.each(PRIVATE)('%s is private and may be called only when the settings say so', (address) => {
    expect(refusal(address, false)).toContain('allow_private_addresses')
    expect(refusal(address, true)).toBeNull()
  })
  test.each(NEVER)('%s is never called', (address) => {
    expect(refusal(address, false)).not.toBeNull()
    expect(refusal(address, true)).not.toBeNull()
  })
})

describe('a url', () => {
  const disguised = [
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0177.0.0.1/',
    'http://0x7f.1/',
    'http://127.1/',
    'http://127.0.0.1./',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[0:0:0:0:0:ffff:7f00:0001]/',
    'http://①②⑦.0.0.1/',
    'http://0/',
  ]
  test.each(disguised)('%s is seen as the address that it is', (url) => {
    expect(() => checkUrl(new URL(url), false)).toThrow(AddressRefused)
  })
  test.each([
    'ftp://example.com/',
    'file:///etc/passwd',
    'http://user@example.com/',
    'http://user:word@example.com/',
    'http://0.0.0.0/',
    'http://169.254.169.254/latest/meta-data',
  ])('%s is refused whatever the settings say', (url) => {
    expect(() => checkUrl(new URL(url), true)).toThrow(AddressRefused)
  })
  test.each(['https://example.com/agent', 'http://example.com:8080/agent?x=1', 'https://8.8.8.8/'])(
    '%s passes',
    (url) => {
      checkUrl(new URL(url), false)
    },
  )
  test('a refusal does not repeat the password', () => {
    expect(() => checkUrl(new URL('http://user:hunter2@example.com/'), true)).toThrow(/^(?!.*hunter2)/)
  })
})

describe('a name', () => {
  const answers =
    (...addresses: string[]) =>
    (_host: string, done: (error: Error | null, all: { address: string; family: number }[]) => void) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )
  const look = (all: boolean, addresses: string[], allowPrivate = false) =>
    new Promise<unknown>((resolve, reject) => {
      guardedLookup(allowPrivate, answers(...addresses))('agent.example', { all }, (error, address, family) =>
        error ? reject(error) : resolve(all ? address : [address, family]),
      )
    })

  test('that points outside is answered with its addresses', async () => {
    expect(await look(false, ['93.184.216.34'])).toEqual(['93.184.216.34', 4])
    expect(await look(true, ['93.184.216.34', '2606:2800:220:1::1'])).toEqual([
      { address: '93.184.216.34', family: 4 },
      { address: '2606:2800:220:1::1', family: 6 },
    ])
  })
  test('that points inside is refused, and so is one that points to both', async () => {
    await expect(look(true, ['10.0.0.7'])).rejects.toThrow(/agent\.example is 10\.0\.0\.7/)
    await expect(look(true, ['93.184.216.34', '127.0.0.1'])).rejects.toThrow(AddressRefused)
    await expect(look(false, ['93.184.216.34', '169.254.169.254'], true)).rejects.toThrow(AddressRefused)
    await expect(look(true, [])).rejects.toThrow(AddressRefused)
  })
  test('localhost resolves to this computer and is refused by the real resolver', async () => {
    const found = new Promise((resolve, reject) =>
      guardedLookup(false)('localhost', { all: true }, (error, addresses) =>
        error ? reject(error) : resolve(addresses),
      ),
    )
    await expect(found).rejects.toThrow(AddressRefused)
  })
})
