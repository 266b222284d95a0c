/** The tools, in the order that clients list them. */
import type { Tool } from '../tool.ts'
import { agentCreate } from './agent-create.ts'
import { agentRun } from './agent-run.ts'
import { agentUpdate } from './agent-update.ts'
import { agentsList } from './agents-list.ts'
import { approvalDecide } from './approval-decide.ts'
import { approvalsList } from './approvals-list.ts'
import { runCancel } from './run-cancel.ts'
import { runEvents } from './run-events.ts'
import { runGet } from './run-get.ts'
import { runList } from './run-list.ts'
import { scheduleCreate } from './schedule-create.ts'
import { scheduleDelete } from './schedule-delete.ts'
import { scheduleList } from './schedule-list.ts'
import { scheduleRun } from './schedule-run.ts'
import { scheduleUpdate } from './schedule-update.ts'
import { sessionGet } from './session-get.ts'
import { sessionList } from './session-list.ts'
import { sessionSend } from './session-send.ts'
import { usageGet } from './usage-get.ts'

export const tools: readonly Tool[] = [
  agentsList,
  agentRun,
  runGet,
  runEvents,
  runList,
  runCancel,
  sessionList,
  sessionGet,
  sessionSend,
  approvalsList,
  approvalDecide,
  agentCreate,
  agentUpdate,
  scheduleList,
  scheduleCreate,
  scheduleUpdate,
  scheduleDelete,
  scheduleRun,
  usageGet,
]
