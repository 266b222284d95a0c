export type LongStream = {
  /** Called once when the stream ends, however it does: finished, broken, left by its reader, no longer allowed. */
  ended: () => void
  /** Asked every `everyMs` while it is open: it may be open for days, and a token may be revoked in that time. */
  allowed: () => Promise<boolean>
  everyMs: number
}

/** The same response, watched over while its stream is open. */
export function longStream(response: Response, { ended, allowed, everyMs }: LongStream): Response {
  const reader = response.body?.getReader()
  if (!reader) {
    ended()
    return response
  }
  const timer = setInterval(() => {
    void allowed().then(
      (still) => (still ? undefined : reader.cancel()),
      () => {
        // Not known is not no: it is asked again.
      },
    )
  }, everyMs)
  timer.unref()
  let over = false
  const end = () => {
    if (over) return
    over = true
    clearInterval(timer)
    ended()
  }
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (!done) return controller.enqueue(value)
        end()
        controller.close()
      } catch (error) {
        end()
        controller.error(error)
      }
    },
    async cancel(reason) {
      end()
      await reader.cancel(reason)
    },
  })
  return new Response(body, { status: response.status, headers: response.headers })
}
