/** The prompts, in the order that clients list them. */
import type { Prompt } from '../prompt.ts'
import { compareAgents } from './compare-agents.ts'
import { delegate } from './delegate.ts'
import { fleetStatus } from './fleet-status.ts'
import { reviewRun } from './review-run.ts'

export const prompts: readonly Prompt[] = [delegate, fleetStatus, reviewRun, compareAgents]
