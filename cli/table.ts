import { oneLine, type Terminal } from './terminal.ts'

export type Column<T> = {
  title: string
  value: (row: T) => string
  align?: 'right'
  /** The one column that gives way when the terminal is too narrow. */
  flexible?: true
  paint?: (text: string, row: T) => string
}

/** Aligned columns, two spaces apart. On a terminal the flexible column is cut to fit; in a pipe nothing is cut. */
export function table<T>(
  terminal: Pick<Terminal, 'colors' | 'isTty' | 'width'>,
  columns: Column<T>[],
  rows: T[],
): string {
  const cells = rows.map((row) => columns.map((column) => oneLine(column.value(row), Number.POSITIVE_INFINITY)))
  const widths = columns.map((column, i) => Math.max(column.title.length, ...cells.map((row) => row[i]!.length)))
  if (terminal.isTty) {
    const flexible = columns.findIndex((column) => column.flexible)
    const total = widths.reduce((sum, width) => sum + width + 2, -2)
    if (flexible >= 0 && total > terminal.width) {
      widths[flexible] = Math.max(12, widths[flexible]! - (total - terminal.width))
    }
  }
  const line = (texts: string[], paint: (text: string, i: number) => string): string =>
    texts
      .map((text, i) => {
        const fitted = oneLine(text, widths[i]!)
        const padding = ' '.repeat(widths[i]! - fitted.length)
        return columns[i]!.align === 'right' ? padding + paint(fitted, i) : paint(fitted, i) + padding
      })
      .join('  ')
      .trimEnd()
  const header = line(
    columns.map((column) => column.title),
    (text) => terminal.colors.dim(text),
  )
  const body = cells.map((row, r) => line(row, (text, i) => columns[i]!.paint?.(text, rows[r]!) ?? text))
  return [header, ...body].join('\n')
}
