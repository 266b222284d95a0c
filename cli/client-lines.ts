import { join } from 'node:path'
import { packageFolder } from './package-folder.ts'

export type ClientLine = { client: string; how: string; text: string }

/**
 * What to paste to add this hub to an MCP client: commands where the client has one, JSON for its settings else.
 * The lines hold the token: they go to the person's terminal and nowhere else.
 */
export function clientLines({ url, token, dataDir }: { url: string; token: string; dataDir: string }): ClientLine[] {
  const endpoint = `${url}/mcp`
  const authorization = `Bearer ${token}`
  const cursor = JSON.stringify({ url: endpoint, headers: { Authorization: authorization } })
  const desktop = {
    mcpServers: {
      // Claude Desktop starts programs without a shell: Node and the program by their full paths, and no token to store,
      // since the bridge reads it from the data folder.
      signalbox: {
        command: process.execPath,
        args: [join(packageFolder(), 'dist/cli/main.js'), 'mcp'],
        env: { SIGNALBOX_DATA_DIR: dataDir },
      },
    },
  }
  const vscode = `{"name":"signalbox","type":"http","url":${JSON.stringify(endpoint)},"headers":{"Authorization":${JSON.stringify(authorization)}}}`
  return [
    {
      client: 'Claude Code',
      how: 'run',
      text: `claude mcp add --transport http signalbox ${endpoint} --header "Authorization: ${authorization}"`,
    },
    { client: 'VS Code', how: 'run', text: `code --add-mcp '${vscode}'` },
    {
      client: 'Cursor',
      how: 'open',
      text: `cursor://anysphere.cursor-deeplink/mcp/install?name=signalbox&config=${encodeURIComponent(Buffer.from(cursor).toString('base64'))}`,
    },
    { client: 'Claude Desktop', how: 'put into claude_desktop_config.json', text: JSON.stringify(desktop) },
  ]
}
