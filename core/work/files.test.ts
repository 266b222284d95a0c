import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestCore, type TestCore } from '../../test/core.ts'

let hub: TestCore
beforeAll(async () => {
  hub = await openTestCore({ worker: false })
})
afterAll(() => hub.close())

test('a drawing that is text is scrubbed like any other', async () => {
  hub.core.keepSecret('canary-71ce50d9', 'test')
  const content = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><text>canary-71ce50d9</text></svg>')
  const { id } = await hub.core.files.create(hub.admin, { name: 'a.svg', media_type: 'image/svg+xml', content })
  const stored = await text((await hub.core.files.read(hub.admin, id)).content)
  expect(stored).toContain('<text>')
  expect(stored).not.toContain('canary')
})

test('files for an agent whose runtime takes none are refused, and no run is made', async () => {
  const { core, admin } = hub
  await core.runtimes.create(admin, { name: 'blind', kind: 'scripted', settings: { files: false } })
  await core.agents.create(admin, { name: 'sightless', runtime: 'blind' })
  const { id } = await core.files.create(admin, { name: 'a.txt', media_type: 'text/plain', content: Buffer.from('a') })
  const refused = core.runs.start(admin, { agent: 'sightless', prompt: 'look', files: [id] })
  await expect(refused).rejects.toMatchObject({ code: 'runtime_cannot' })
  expect((await core.runs.list(admin, { agent: 'sightless' })).data).toEqual([])
})
