/**
 * Which addresses the hub may call when a person names a URL. The name is resolved once and the connection is made to the
 * very addresses that were checked, so that a second answer of the name server changes nothing (DNS rebinding).
 */
import { lookup as resolveName } from 'node:dns'
import type { LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

/** The address is one that the hub does not call; nothing was sent. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'
}

type Resolve = (
  host: string,
  done: (error: Error | null, addresses: { address: string; family: number }[]) => void,
) => void

/** Addresses where clouds hand out credentials and which lie outside of the link-local range. */
const METADATA = new Set([
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd00:ec2::23',
  'fd20:ce::254',
])
/** What `allow_private_addresses` opens: this computer and networks of one's own. */
const PRIVATE = new Set(['loopback', 'private', 'carrierGradeNat', 'uniqueLocal'])
const GLOBAL_UNICAST: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3]

/**
 * Why `address` (a literal, IPv4 or IPv6) is refused; null when it may be called. Public unicast is always allowed; private
 * addresses with `allowPrivate`; metadata, link-local, unspecified, multicast, reserved and tunnelling ones never.
 */
export function refusal(address: string, allowPrivate: boolean): string | null {
  if (!ipaddr.isValid(address)) return 'is not an address'
  const parsed = ipaddr.process(address)
  // `process` turns an IPv4-mapped IPv6 address into the IPv4 address that it reaches.
  if (METADATA.has(parsed.toString())) return 'is a metadata address of a cloud'
  const range = parsed.range()
  if (range === 'unicast') {
    // Outside of 2000::/3 nothing is public, among it the old IPv4-compatible form `::7f00:1`.
    return parsed instanceof ipaddr.IPv6 && !parsed.match(GLOBAL_UNICAST) ? 'is not a public address' : null
  }
  if (!PRIVATE.has(range)) return `is a ${range} address`
  return allowPrivate ? null : `is a ${range} address and allow_private_addresses is not set`
}

/**
 * Throws AddressRefused unless `url` is http or https, without user and password, and, where its host is an address and
 * no name, an address that may be called. The URL parser has already turned `2130706433`, `0x7f.1` and `0177.0.0.1` into addresses.
 */
export function checkUrl(url: URL, allowPrivate: boolean): void {
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new AddressRefused(`${url.protocol} is neither http: nor https:.`)
  if (url.username !== '' || url.password !== '') throw new AddressRefused('The URL holds a user or a password.')
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  if (!ipaddr.isValid(host)) return
  const reason = refusal(host, allowPrivate)
  if (reason) throw new AddressRefused(`${host} ${reason}.`)
}

/**
 * A `lookup` for a socket that answers only with addresses that may be called. One refused address among a name's answers
 * refuses them all: a name that points inside and outside at once is an attempt.
 */
export function guardedLookup(allowPrivate: boolean, resolve: Resolve = resolveAll): LookupFunction {
  return (host, options, done) => {
    resolve(host, (error, addresses) => {
      if (error) return done(error, [])
      const refused = addresses.find(({ address }) => refusal(address, allowPrivate) !== null)
      if (refused)
        return done(
          new AddressRefused(`${host} is ${refused.address}, which ${refusal(refused.address, allowPrivate)}.`),
          [],
        )
      const first = addresses[0]
      if (!first) return done(new AddressRefused(`${host} has no address.`), [])
      if (options.all) return done(null, addresses)
      return done(null, first.address, first.family)
    })
  }
}

function resolveAll(host: string, done: Parameters<Resolve>[1]): void {
  resolveName(host, { all: true }, done)
}
