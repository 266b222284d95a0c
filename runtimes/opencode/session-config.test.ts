import { expect, test } from 'vitest'
import { rules, toModel } from './session-config.ts'

test('work is allowed, what leaves the workspace is not', () => {
  expect(rules({}, true)).toMatchObject({
    '*': 'allow',
    webfetch: 'deny',
    task: 'deny',
    skill: 'deny',
    external_directory: 'deny',
    doom_loop: 'deny',
  })
  expect(rules({}, true)).not.toHaveProperty('bash')
  expect(rules({}, false)).toMatchObject({ bash: 'deny' })
})

test('an agent opens what it names, and no more than that', () => {
  expect(rules({ '*': 'allow' }, true)).toMatchObject({ webfetch: 'deny', external_directory: 'deny', task: 'deny' })
  expect(rules({ webfetch: 'allow' }, true)).toMatchObject({ webfetch: 'allow' })
  expect(rules({ '*': 'ask', read: 'allow' }, true)).toMatchObject({ '*': 'ask', read: 'allow', doom_loop: 'deny' })
})

test('the last of the rules is the one that OpenCode takes, so the general one is first', () => {
  expect(Object.keys(rules({ bash: 'ask', '*': 'deny' }, true))[0]).toBe('*')
  expect(Object.keys(rules({ '*': 'allow' }, true)).at(-1)).toBe('doom_loop')
})

test('tools that share a permission share the stricter rule', () => {
  expect(rules({ write: 'deny', edit: 'allow' }, true)).toMatchObject({ edit: 'deny' })
  expect(rules({ edit: 'allow', apply_patch: 'ask' }, true)).toMatchObject({ edit: 'ask' })
})

test('what there is not here is refused by name', () => {
  expect(() => rules({ task: 'allow' }, true)).toThrow('no tool task')
  expect(() => rules({ bash: 'allow' }, false)).toThrow('runs no commands here')
  expect(rules({ bash: 'deny' }, false)).toMatchObject({ bash: 'deny' })
})

test('a model is cut at its first slash', () => {
  expect(toModel('openai/gpt-5.5')).toEqual({ providerID: 'openai', modelID: 'gpt-5.5' })
  expect(toModel('router/maker/model:free')).toEqual({ providerID: 'router', modelID: 'maker/model:free' })
  for (const wrong of ['plain', '/x', 'x/']) expect(() => toModel(wrong)).toThrow('not of the form')
  expect(() => toModel(null)).toThrow('names no model')
})
