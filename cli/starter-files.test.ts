import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { configJsonSchema, parseConfig } from '../core/index.ts'
import { runtimeKinds } from '../runtimes/index.ts'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')
const starter = read('starter/signalbox.yaml')
const context = { kinds: runtimeKinds, existing: {} }

test('schema.json is what `npm run schema` writes', () => {
  expect(JSON.parse(read('../schema.json'))).toEqual(JSON.parse(JSON.stringify(configJsonSchema(runtimeKinds))))
})

test('the starter is right for the hub and for editors', () => {
  expect(starter).toMatch(/^# yaml-language-server: \$schema=/)
  expect(parseConfig(starter, context)).toMatchObject({
    problems: [],
    config: { agents: { welcome: {}, reviewer: {} } },
  })
  const validate = new Ajv({ strict: true, formats: { uri: true } }).compile(configJsonSchema(runtimeKinds))
  expect(validate(parse(starter)), JSON.stringify(validate.errors)).toBe(true)
})

test('its examples are right once the `# ` before them is removed', () => {
  const [own, examples] = starter.split(/^# More, .*\n#\n/m)
  const whole = `${own}\n${examples!.replace(/^# ?/gm, '')}`
  expect(parseConfig(whole, context).problems).toEqual([])
  expect(Object.keys(parseConfig(whole, context).config!.runtimes)).toEqual(['my-agent'])
})

test('the first prompt names the attached file', () => {
  expect(read('starter/welcome.txt').trim()).toMatch(/^Read files\/signalbox\.yaml .+\.$/)
})

test('the example of docs/config.md is right', () => {
  const examples = [...read('../docs/config.md').matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml]) => yaml!)
  expect(examples.length).toBeGreaterThan(0)
  for (const yaml of examples) expect(parseConfig(yaml, context).problems).toEqual([])
})
