/** `npm run schema`: writes schema.json, which editors and /schema.json give for signalbox.yaml. A test says when it is stale. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configJsonSchema } from '../core/index.ts'
import { runtimeKinds } from '../runtimes/index.ts'
import { packageFolder } from './package-folder.ts'

writeFileSync(join(packageFolder(), 'schema.json'), `${JSON.stringify(configJsonSchema(runtimeKinds), null, 2)}\n`)
