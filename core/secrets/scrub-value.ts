/** Scrubbing of JSON values: strings at any depth, keys too. */

type Scrubs = { scrub(text: string): { text: string; count: number } }

const MAX_DEPTH = 500
/** Names after which a value is read together with its name, as it would be in a line of text. */
const telling = /secret|token|key|authorization|credential/i

/**
 * A copy of `value` as JSON would carry it, without secrets; `count` is the number of replacements. What has `toJSON` is
 * replaced by its answer, errors keep name, message, stack, code and cause, bytes stay as they are. A cycle becomes
 * `[Circular]`, what lies deeper than 500 levels `[Too deep]`. Keys that become the same are told apart by a number.
 */
export function scrubValue(scrubber: Scrubs, value: unknown): { value: unknown; count: number } {
  let count = 0
  const parents = new Set<object>()

  function clean(text: string, name = ''): string {
    if (telling.test(name)) {
      const label = `${name}: `
      const line = scrubber.scrub(label + text)
      if (line.text.startsWith(label)) {
        count += line.count
        return line.text.slice(label.length)
      }
    }
    const result = scrubber.scrub(text)
    count += result.count
    return result.text
  }

  function visit(item: unknown, name?: string): unknown {
    if (typeof item === 'string') return clean(item, name)
    if (typeof item === 'number' || typeof item === 'bigint') {
      const text = String(item)
      const result = clean(text)
      return result === text ? item : result
    }
    if (typeof item !== 'object' || item === null || ArrayBuffer.isView(item) || item instanceof ArrayBuffer)
      return item
    if (parents.has(item)) return '[Circular]'
    if (parents.size >= MAX_DEPTH) return '[Too deep]'
    parents.add(item)
    const copy = visitObject(item, name)
    parents.delete(item)
    return copy
  }

  function visitObject(item: object, name?: string): unknown {
    if (Array.isArray(item)) return item.map((element) => visit(element, name))
    if ('toJSON' in item && typeof item.toJSON === 'function') return visit(item.toJSON(), name)
    const entries: [string, unknown][] =
      item instanceof Error
        ? [
            ['name', item.name],
            ['message', item.message],
            ['stack', item.stack],
            ...Object.entries(item),
            ...causeOf(item),
          ]
        : Object.entries(item)
    const copy: Record<string, unknown> = {}
    for (const [key, element] of entries) {
      const cleanKey = clean(key)
      let unique = cleanKey
      for (let number = 2; Object.hasOwn(copy, unique); number++) unique = `${cleanKey} ${number}`
      // Not an assignment: `__proto__` is a key like any other here.
      Object.defineProperty(copy, unique, {
        value: visit(element, key),
        enumerable: true,
        configurable: true,
        writable: true,
      })
    }
    return copy
  }

  return { value: visit(value), count }
}

const causeOf = (error: Error): [string, unknown][] => (error.cause === undefined ? [] : [['cause', error.cause]])
