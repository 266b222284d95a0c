/** The catalogue: every kind of runtime that this hub has, one line each. */
import type { RuntimeKind } from '../core/index.ts'
import { http } from './http/http.ts'
import { opencode } from './opencode/opencode.ts'

export const runtimeKinds: RuntimeKind[] = [opencode, http]
