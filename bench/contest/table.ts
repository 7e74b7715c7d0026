// The results as text: for a terminal, and as Markdown for a page of docs/systems/.
import type { Machine } from '../machine.ts'
import { lostRows } from './goals.ts'
import { type Cell, findCell, type ResultRow, type Results } from './results.ts'
import type { Access, Contest } from './types.ts'

const MIB = 1024 * 1024
const ACCESS_TITLES: Record<Access, string> = { fill: 'fills', durable: 'durable puts', read: 'reads' }

/** The whole result for a terminal. */
export function terminalText(results: Results, contest: Contest): string {
  const blocks = results.rows.map((row) => [`${row.title}, ${row.unit}`, ...row.cells.map((cell) => line(cell, row))])
  return [...blocks.map((block) => block.join('\n')), ...remarks(results, contest)].join('\n\n')

  function line(cell: Cell, row: ResultRow): string {
    const label = labelOf(results, cell.contestant).padEnd(22)
    const verdict = isBehind(cell, row) && isOurs(results, cell.contestant) ? '  behind' : ''
    const figures = [amount(cell.median, row), spreadText(cell), ratioText(cell)].map((text) => text.padStart(10))
    return `  ${label}${figures.join('')}${verdict}`.trimEnd()
  }
}

/** The result as Markdown: one row a workload, one column a contestant. */
export function markdownText(results: Results, contest: Contest, machine: Machine, disk: string): string {
  const columns = results.contestants.filter(({ id }) => results.rows.some((row) => findCell([row], row.id, id)))
  const ours = columns.filter((contestant) => contestant.ours)
  const head = [
    'workload',
    'unit',
    ...columns.map(({ label }) => label),
    ...ours.map(({ label }) => `${label} : ${contest.reference.short}`),
  ]
  const rows = results.rows.map((row) => [
    row.title,
    row.better === 'less' ? `${row.unit}, less is better` : row.unit,
    ...columns.map(({ id }) => markdownCell(findCell([row], row.id, id), row)),
    ...ours.map(({ id }) => markdownRatio(findCell([row], row.id, id), row)),
  ])
  const { scale } = results
  return [
    `${machine.processor}, ${machine.cores} cores, ${machine.system}, ${disk}, Node ${machine.node}, ${machine.date}, ` +
      `load ${machine.load.toFixed(1)} at the start. ${scaleText(results)} ${versionsText(results)}`,
    '',
    ...[head, head.map((_, i) => (i < 2 ? '---' : '---:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`),
    '',
    `Medians of ${scale.turns} turns; ± is the farthest turn. Ratios are medians of the ratios within each turn, bold where ` +
      `ours is behind. ${contest.reference.text}`,
    '',
    ...goalLines(results, contest).map((text) => `- ${text}`),
    '',
    ...modeLines(results).map((text) => `- ${text}`),
    ...leftOutLines(results, contest).map((text) => `- ${text}`),
  ].join('\n')
}

/** A figure with three digits: `428 k`, `1.31 M`, `192`. What is shown in MiB is given in bytes. */
export function amount(value: number, { unit }: Pick<ResultRow, 'unit'>): string {
  if (unit === 'MiB') return threeDigits(value / MIB)
  if (value >= 1e6) return `${threeDigits(value / 1e6)} M`
  return value >= 1e3 ? `${threeDigits(value / 1e3)} k` : threeDigits(value)
}

function threeDigits(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)
}

/** What was measured, in one line. */
export function scaleText({ scale }: Results): string {
  return (
    `${scale.records.toLocaleString('en')} records of ${scale.keyBytes} + ${scale.valueBytes} bytes, ${scale.turns} turns, ` +
    `${scale.seconds} s a reading or durable task, cache ${scale.cacheBytes / MIB} MiB each.`
  )
}

/** The versions of the peers. */
export function versionsText({ contestants }: Results): string {
  const versions = [...new Set(contestants.map(({ version }) => version))].filter((text) => text !== '')
  return versions.length === 0 ? '' : `${versions.join(', ')}.`
}

function markdownCell(cell: Cell | undefined, row: ResultRow): string {
  return cell === undefined ? '–' : `${amount(cell.median, row)} ${spreadText(cell)}`
}

function markdownRatio(cell: Cell | undefined, row: ResultRow): string {
  if (cell?.ratio === undefined) return '–'
  return isBehind(cell, row) ? `**${ratioText(cell)}**` : ratioText(cell)
}

function spreadText({ spread }: Cell): string {
  return `± ${(spread * 100).toFixed(0)} %`
}

function ratioText({ ratio }: Cell): string {
  return ratio === undefined ? '' : `${ratio.toFixed(2)}x`
}

function isBehind({ ratio }: Cell, { better }: ResultRow): boolean {
  return ratio !== undefined && (better === 'more' ? ratio < 1 : ratio > 1)
}

function remarks(results: Results, contest: Contest): string[] {
  const goals = goalLines(results, contest)
  const lost = results.contestants
    .filter(({ id, ours }) => ours && results.rows.some((row) => findCell([row], row.id, id)?.ratio !== undefined))
    .map(({ id, label }) => {
      const titles = lostRows(results.rows, id).map(({ title }) => title)
      return `  ${label} is behind in: ${titles.length === 0 ? 'nothing' : titles.join('; ')}`
    })
  return [
    [`1x is ${contest.reference.short}; ± is the farthest turn. ${contest.reference.text}`, ...lost].join('\n'),
    ...(goals.length === 0 ? [] : [['goals of the native engine', ...goals.map((text) => `  ${text}`)].join('\n')]),
    ['what a write promises', ...modeLines(results).map((text) => `  ${text}`)].join('\n'),
    ...(results.leftOut.length === 0
      ? []
      : [['left out', ...leftOutLines(results, contest).map((text) => `  ${text}`)].join('\n')]),
  ]
}

/** The goals of the native engine, and what became of them. */
function goalLines(results: Results, { rows, checkGoals }: Contest): string[] {
  return checkGoals(results.rows, results.scale).map(({ row, against, wanted, ratio, reached }) => {
    const title = rows.find(({ id }) => id === row)?.title ?? row
    return `${reached ? 'reached' : 'MISSED '} ${title}: ${ratio.toFixed(2)}x of ${labelOf(results, against)}, wanted ${wanted}`
  })
}

function modeLines({ contestants, rows }: Results): string[] {
  return contestants
    .filter(({ id }) => rows.some((row) => findCell([row], row.id, id)))
    .map(({ label, modes }) => {
      const texts = Object.entries(modes).map(([access, text]) => `${ACCESS_TITLES[access as Access]}: ${text}`)
      return `${label}. ${texts.join('; ')}`
    })
}

/** One line for all that were left out for the same reason. */
function leftOutLines(results: Results, contest: Contest): string[] {
  const lines = new Map<string, string[]>()
  for (const gap of results.leftOut) {
    const who = labelOf(results, gap.contestant)
    const key =
      gap.task === undefined ? `left out: ${gap.reason}` : `no row "${titleOf(contest, gap.task)}": ${gap.reason}`
    lines.set(key, [...(lines.get(key) ?? []), who])
  }
  return [...lines].map(([text, who]) => `${who.join(', ')}: ${text}`)
}

function titleOf({ rows }: Contest, task: string): string {
  return rows.find((row) => row.task === task)?.title ?? task
}

function labelOf({ contestants }: Results, id: string): string {
  return contestants.find((contestant) => contestant.id === id)?.label ?? id
}

function isOurs({ contestants }: Results, id: string): boolean {
  return contestants.some((contestant) => contestant.id === id && contestant.ours)
}
