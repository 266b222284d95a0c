/** The resources, in the order that clients list their templates. */
import type { Resource } from '../resource.ts'
import { agentCard } from './agent.ts'
import { runSummary } from './run.ts'
import { runEventLog } from './run-events.ts'
import { runTranscript } from './run-transcript.ts'
import { sessionTranscript } from './session.ts'

export const resources: readonly Resource[] = [agentCard, runSummary, runEventLog, runTranscript, sessionTranscript]
