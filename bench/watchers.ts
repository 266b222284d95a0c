/**
 * A process of watchers, so that they don't share the hub's thread: started with `{url, headers, watchers, until}` as its argument,
 * it says `{connected}` when all have had their first event, and `{events, ms}` when all streams have ended.
 */
import { readStream } from './client.ts'

// Written by fan-out.ts.
const { url, headers, watchers } = JSON.parse(process.argv[2]!) as {
  url: string
  headers: Record<string, string>
  watchers: number
}
let connected = 0
let events = 0
const streams = Array.from({ length: watchers }, async () => {
  let first = true
  await readStream(url, headers, () => {
    events += 1
    if (!first) return
    first = false
    connected += 1
    if (connected === watchers) process.send?.({ connected })
  })
})
await Promise.all(streams)
process.send?.({ events })
process.disconnect?.()
