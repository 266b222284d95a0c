import type { Line } from './line.ts'
import type { Machine } from './machine.ts'

/** `name: 12.3 ms; baseline (what it is) 4.1 ms; 3.0 x; goal <= 25: met` */
export function toText(line: Line): string {
  const { name, value, unit, baseline } = line
  return [
    `${name}: ${round(value)} ${unit}`,
    ...(baseline ? [`baseline (${baseline.name}) ${round(baseline.value)} ${unit}`] : []),
    ...(line.ratio === undefined ? [] : [`${round(line.ratio)} x`]),
    ...(line.goal === undefined ? [] : [`goal ${line.goal}: ${verdict(line)}`]),
  ].join('; ')
}

const START = '<!-- figures -->'
const END = '<!-- /figures -->'

/** The page with its figures replaced by these; throws when it has no place for them. */
export function withFigures(page: string, sections: { title: string; lines: Line[] }[], machine: Machine): string {
  const [start, end] = [page.indexOf(START), page.indexOf(END)]
  if (start === -1 || end < start) throw new Error(`The page has no ${START} ... ${END}.`)
  const { cores, processor, memoryGiB, node, date, version, load } = machine
  const on = `Signalbox ${version}, ${date}: ${cores} cores (${processor}), ${memoryGiB} GiB, Node ${node.slice(1)}, load ${load} at the start.`
  const body = [on, ...sections.flatMap(({ title, lines }) => ['', `### ${title}`, '', ...toTable(lines)])].join('\n')
  return `${page.slice(0, start)}${START}\n\n${body}\n\n${page.slice(end)}`
}

function toTable(lines: Line[]): string[] {
  return [
    '| measured | value | baseline of the same run | ratio | goal |',
    '| --- | ---: | --- | ---: | --- |',
    ...lines.map((line) => {
      const { name, value, unit, baseline, ratio, goal } = line
      const compared = baseline ? `${round(baseline.value)} ${unit}: ${baseline.name}` : ''
      return `| ${[name, `${round(value)} ${unit}`, compared, ratio === undefined ? '' : round(ratio), goal === undefined ? '' : `${goal}: ${verdict(line)}`].map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
    }),
  ]
}

/** `<= 25` and `>= 1000`; throws for a goal of another form, so that none is shown as met unread. */
export function verdict({ value, goal }: Line): 'met' | 'missed' {
  const [, sign, bound] = /^([<>]=) ([\d.,]+)/.exec(goal ?? '') ?? []
  if (!sign) throw new Error(`cannot read the goal "${goal}"`)
  const limit = Number(bound!.replaceAll(',', ''))
  return (sign === '<=' ? value <= limit : value >= limit) ? 'met' : 'missed'
}

function round(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: 0 })
}
