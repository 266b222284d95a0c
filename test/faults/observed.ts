/** All that was seen from outside while hubs were killed: what the checker judges. */
export type SeenEvent = { seq: number; type: string } & Record<string, unknown>

/** One request for work, sent with one Idempotency-Key until it was answered. */
export type SentRequest = {
  key: string
  agent: string
  prompt: string
  /** The run of each 201: more than one when the request was repeated. */
  runIds: string[]
  /** A stop was asked for and accepted. */
  stopped: boolean
}

/** What one watcher was shown of one run, over all its connections, in the order of arrival. */
export type Watched = { watcher: string; runId: string; events: SeenEvent[] }

/** What the agent knows of one run. */
export type AgentRun = {
  runId: string
  /** How many requests to start it came. */
  starts: number
  /** All the text that it says when nobody stops it. */
  text: string
}

/** What the hub has at the end. */
export type StoredRun = {
  run: {
    id: string
    agent: string
    status: string
    last_seq: number
    output: string | null
    error: { code: string; message: string } | null
    stop_requested_at: string | null
  }
  events: SeenEvent[]
}

export type Observed = {
  requests: SentRequest[]
  watched: Watched[]
  agentRuns: AgentRun[]
  stored: StoredRun[]
  /** Agents that keep a run over the loss of its caller: their runs must come to the end that the agent gave them. */
  durableAgents: string[]
}
