import type { Subcommand } from './command.ts'
import { CliError, exitCode } from './exit-code.ts'
import { findHub, type HubAddress } from './hub-address.ts'

/** Nothing listens there, so nothing is sent anywhere while no hub is known. */
const NOWHERE = 'http://127.0.0.1:1'

/** `signalbox mcp`: what a client such as Claude Desktop starts. It starts no hub, and standard output is the protocol's alone. */
export const mcp: Subcommand = (command, { env }) => {
  command
    .addHelpText('after', '\nThe hub need not run yet: requests are answered with an error until it does.')
    .action(async () => {
      const { stdioBridge } = await import('../mcp/index.ts')
      await stdioBridge({ ...known(), locate: async () => findHub(env) })
    })

  function known(): Pick<HubAddress, 'url' | 'token'> {
    try {
      const { url, token } = findHub(env)
      return { url, token }
    } catch (error) {
      // The client starts us when it starts, often before the hub: it is looked for again at each request.
      if (error instanceof CliError && error.exitCode === exitCode.unreachable) return { url: NOWHERE, token: '' }
      throw error
    }
  }
}
