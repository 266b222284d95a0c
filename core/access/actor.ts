/** Who asks: made at a door by `authenticate`, never from a header or field that the caller picks. */
export type Actor = {
  userId: string
  name: string
  admin: boolean
  teams: string[]
  surface: 'rest' | 'web' | 'mcp' | 'cli' | 'schedule' | 'config' | 'hub' | 'slack' | 'linear' | 'github' | 'a2a'
  /** The user for whom another acts; null when they act for themselves. */
  onBehalfOf: string | null
}
