import { serve } from '@hono/node-server'

/** Serves an app on this computer, on a free port unless one is given, for tests that need a socket. */
export function serveApp(
  fetch: (request: Request) => Response | Promise<Response>,
  port = 0,
): Promise<{ url: string; close: () => Promise<void> }> {
  return new Promise((resolve) => {
    const server = serve({ fetch, hostname: '127.0.0.1', port }, (address) => {
      resolve({
        url: `http://127.0.0.1:${address.port}`,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed())
            if ('closeAllConnections' in server) server.closeAllConnections()
          }),
      })
    })
  })
}
