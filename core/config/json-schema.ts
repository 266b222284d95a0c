import * as z from 'zod'
import { Config } from './config.ts'
import type { KnownKind } from './references.ts'

const ID = 'urn:signalbox:config:1'

type Schema = { [key: string]: unknown }

/**
 * JSON Schema (draft-07, which editors read best) of signalbox.yaml, with the settings of each kind of runtime where that
 * kind is chosen. The same kinds give the same object, key for key.
 */
export function configJsonSchema(kinds: readonly (KnownKind & { title?: string })[]): Schema {
  const { $schema, ...schema } = toJsonSchema(Config)
  const runtime = valuesOf(propertiesOf(schema).runtimes)
  const properties = propertiesOf(runtime)
  properties.kind = {
    description: properties.kind?.description,
    anyOf: kinds.map(({ kind, title }) => ({ const: kind, ...(title === undefined ? {} : { title }) })),
  }
  runtime.allOf = kinds.map(({ kind, settings }) => {
    const { $schema: _, ...inner } = toJsonSchema(settings)
    return Object.fromEntries([
      ['if', { properties: { kind: { const: kind } }, required: ['kind'] }],
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema; nobody awaits a schema
      ['then', { properties: { settings: inner } }],
    ])
  })
  return {
    $schema,
    $id: ID,
    title: 'signalbox.yaml',
    description: 'Teams, runtimes, agents, schedules and limits of a Signalbox hub.',
    ...schema,
  }
}

function toJsonSchema(schema: z.ZodType): Schema {
  return z.toJSONSchema(schema, {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
    // zod's own formats (`starts_with`) come with a pattern that says the same, and strict readers refuse what they don't know.
    override: ({ jsonSchema }) => {
      if (jsonSchema.pattern !== undefined) delete jsonSchema.format
    },
  })
}

// zod writes an object's fields under `properties` and the values of a record under `additionalProperties`; the tests hold it to that.
const propertiesOf = (schema: unknown) => (schema as { properties: Record<string, Schema> }).properties
const valuesOf = (schema: unknown) => (schema as { additionalProperties: Schema }).additionalProperties
