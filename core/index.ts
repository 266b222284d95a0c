/** The one door to core. */
export type { Actor } from './access/actor.ts'
export { type Config, type ParsedConfig, parseConfig } from './config/config.ts'
export { configJsonSchema } from './config/json-schema.ts'
export type { Change, Core, Declared, DefinitionInput, DefinitionPatch, ListOptions, Plan, Problem } from './core.ts'
export { type CoreOptions, createCore, type HubCore } from './create-core.ts'
export {
  type ErrorBody,
  type ErrorCode,
  errorTable,
  faultMessage,
  faultTrace,
  HubError,
  hintOf,
  toErrorBody,
} from './errors.ts'
export { newId } from './id.ts'
export { packageRoot, packageVersion } from './package-root.ts'
export * from './ports.ts'
export * from './shapes.ts'
// Named, since ports.ts passes these on as types only and would hide that they are schemas too.
export { Capabilities, Health, Usage } from './shapes.ts'
