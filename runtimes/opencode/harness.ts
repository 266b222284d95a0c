import type { Ref } from '../../core/index.ts'
import type { Client, Model } from './client.ts'
import type { EventFeed, Subscription } from './event-feed.ts'
import type { SessionFolder } from './session-folder.ts'

/** What every part of the adapter works with: one server, spoken to in two ways, and the folders of its sessions. */
export type Harness = {
  client: Client
  feed: EventFeed
  folderOf(hubSession: string): SessionFolder
  /** What sessions may do and use here. */
  access: { commands: boolean; limits: { context: number; output: number } }
  /** Heard since the prompt went out, for the stream that follows: without it the first words are told only when complete. */
  heard: Map<string, Subscription>
  /** Starts at work, by session of the hub. */
  starting: Map<string, Promise<void>>
}

/** What is kept of a run. `session` is OpenCode's id, known from the first acceptance on. */
export type OpencodeRef = {
  session: string | null
  hubSession: string
  prompt: string
  provider: string
  model: string
}

/** Refs are written by `prepare` and `start` of this adapter only. */
export const fromRef = (ref: Ref): OpencodeRef => ref as OpencodeRef

export const modelOf = ({ provider, model }: OpencodeRef): Model => ({ providerID: provider, modelID: model })
