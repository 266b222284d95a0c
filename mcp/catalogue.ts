/** Tools, resources and prompts in the form that goes over the wire, made once: every request and session shares it. */
import type { ResourceTemplateType, Prompt as WirePrompt, Tool as WireTool } from '@modelcontextprotocol/server'
import * as z from 'zod'
import type { Prompt } from './prompt.ts'
import { prompts } from './prompts/index.ts'
import type { Resource } from './resource.ts'
import { resources } from './resources/index.ts'
import type { Tool } from './tool.ts'
import { tools } from './tools/index.ts'

export type Catalogue = {
  tools: WireTool[]
  toolsByName: ReadonlyMap<string, Tool>
  resourceTemplates: ResourceTemplateType[]
  resources: readonly Resource[]
  prompts: WirePrompt[]
  promptsByName: ReadonlyMap<string, Prompt>
}

export function createCatalogue(): Catalogue {
  return {
    tools: tools.map(toWireTool),
    toolsByName: new Map(tools.map((tool) => [tool.name, tool])),
    resourceTemplates: resources.map(({ name, title, description, mimeType, uriTemplate }) => ({
      name,
      title,
      description,
      mimeType,
      uriTemplate,
    })),
    resources,
    prompts: prompts.map(({ name, title, description, arguments: args }) => ({
      name,
      title,
      description,
      arguments: args.map((argument) => ({ name: argument.name, description: argument.description, required: true })),
    })),
    promptsByName: new Map(prompts.map((prompt) => [prompt.name, prompt])),
  }
}

/** The resource behind a URI and the id in it; undefined when no template has that form. */
export function findResource(catalogue: Catalogue, uri: string): { resource: Resource; id: string } | undefined {
  for (const resource of catalogue.resources) {
    const [before = '', after = ''] = resource.uriTemplate.split('{id}')
    if (!uri.startsWith(before) || !uri.endsWith(after)) continue
    const id = uri.slice(before.length, uri.length - after.length)
    if (/^[A-Za-z0-9_-]+$/.test(id)) return { resource, id }
  }
  return undefined
}

function toWireTool({ name, title, description, input, output, annotations }: Tool): WireTool {
  return {
    name,
    title,
    description,
    inputSchema: toObjectSchema(input, 'input'),
    outputSchema: toObjectSchema(output, 'output'),
    annotations: { title, ...annotations },
  }
}

function toObjectSchema(schema: z.ZodType, io: 'input' | 'output'): { type: 'object' } & Record<string, unknown> {
  // 2020-12 is what MCP takes a schema for that names no dialect.
  const { $schema: _dialect, type, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' })
  if (type !== 'object') throw new Error('A tool takes and gives an object.')
  return { type, ...Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, splitTypes(value)])) }
}

/** `type: [string, null]` as `anyOf`: clients that know one type a schema drop what they cannot read. */
function splitTypes(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(splitTypes)
  if (typeof schema !== 'object' || schema === null) return schema
  const { type, ...rest } = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, splitTypes(value)]))
  if (Array.isArray(type)) return { anyOf: type.map((each: unknown) => ({ type: each })), ...rest }
  return type === undefined ? rest : { type, ...rest }
}
