// Keeps "3 min ago" true while a page stays open, and shows the reader's own time zone on hover.
// The server writes the same words, so the page reads well without this.
const STEPS = [
  [60, 1, 's'],
  [3600, 60, 'min'],
  [86400, 3600, 'h'],
  [Number.POSITIVE_INFINITY, 86400, 'd'],
]

function ago(then) {
  const seconds = Math.max(0, Math.floor((Date.now() - then) / 1000))
  const [, size, unit] = STEPS.find(([below]) => seconds < below)
  return `${Math.floor(seconds / size)} ${unit} ago`
}

function refresh() {
  for (const time of document.querySelectorAll('time[data-relative]')) {
    const then = new Date(time.dateTime)
    const words = ago(then.getTime())
    if (time.textContent !== words) time.textContent = words
    time.title = then.toLocaleString()
  }
}

refresh()
setInterval(refresh, 5_000)
document.addEventListener('htmx:after:swap', refresh)
