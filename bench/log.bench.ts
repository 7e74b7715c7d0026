// The append log against the plain calls under it: the same bytes written, synced and read by node:fs in the same turn.
//
//   npm run bench -- log            200 MB, 5 turns: a few minutes
//   npm run bench -- log --quick    20 MB, 3 turns: half a minute, and only roughly right
//
// Compare ratios within one run, never figures of two.
import { rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Chart, chartSvg } from './contest/chart.ts'
import type { Cell } from './contest/results.ts'
import { temporaryDirectory } from './leftovers.ts'
import { ROWS, type Row } from './log/rows.ts'
import { measureTurn, type Scale, WRITERS } from './log/tasks.ts'
import { describeDisk, describeMachine } from './machine.ts'
import { type BenchmarkSettings, type OwnOptions, summarise } from './support.ts'

const FULL: Scale = { bytes: 200_000_000, seconds: 2 }
const QUICK: Scale = { bytes: 20_000_000, seconds: 0.4 }
const FULL_TURNS = 5
const QUICK_TURNS = 3
const DEFAULT_DIRECTORY = 'bedplate-data/bench'

export const options: OwnOptions = {
  quick: { type: 'boolean' },
  turns: { type: 'string' },
  /** Bytes of records in the tasks that go through many. */
  bytes: { type: 'string' },
  /** Where to put the logs: the disk that is measured. */
  directory: { type: 'string' },
  json: { type: 'string' },
  markdown: { type: 'string' },
  svg: { type: 'string' },
}

export default async function run({ options: given }: BenchmarkSettings): Promise<void> {
  const defaults = given['quick'] === true ? QUICK : FULL
  const scale: Scale = {
    bytes: Number(given['bytes'] ?? defaults.bytes),
    seconds: Number(given['seconds'] ?? defaults.seconds),
  }
  const turns = Number(given['turns'] ?? (given['quick'] === true ? QUICK_TURNS : FULL_TURNS))
  const parent = resolve(String(given['directory'] ?? DEFAULT_DIRECTORY))
  const directory = temporaryDirectory(parent, 'log-')
  const disk = describeDisk(directory)
  try {
    const samples: Record<string, number>[] = []
    for (let turn = 0; turn < turns; turn++) samples.push(await measureTurn(join(directory, String(turn)), scale))
    const rows = ROWS.map((row) => {
      const values = samples.map((sample) => sample[row.id] as number)
      const others = samples.map((sample) => sample[row.against] as number)
      const ratio = summarise(values.map((value, turn) => value / (others[turn] as number))).median
      return { ...row, ...summarise(values), ratio, samples: values, againstMedian: summarise(others).median }
    })
    console.log(
      `${scale.bytes / 1e6} MB of records of 100 bytes, ${turns} turns, ${disk}. Writers: ${WRITERS.join(', ')}.\n`,
    )
    const lines = rows.map((row) => [
      row.title,
      `${figure(row.median)} ${row.unit}`,
      percent(row.spread),
      `${row.ratio.toFixed(2)}x`,
      row.againstTitle,
    ])
    for (const line of lines)
      console.log(
        `${line[0]?.padEnd(52)}${line[1]?.padStart(16)}${line[2]?.padStart(8)}${line[3]?.padStart(9)}  ${line[4]}`,
      )
    write(
      given['json'],
      `${JSON.stringify({ machine: describeMachine(), disk, scale: { ...scale, turns }, rows }, null, 2)}\n`,
    )
    write(given['markdown'], `${markdownOf(lines)}\n`)
    const { processor, cores, node } = describeMachine()
    const where = `${processor}, ${cores} cores, Node ${node}, ${disk}`
    write(given['svg'], chartSvg(chartOf(rows), { title: 'Log benchmark', subtitles: [where] }))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Each row beside what it is compared with. */
function chartOf(rows: readonly (Row & { median: number; ratio: number; againstMedian: number })[]): Chart {
  const cell = (contestant: string, median: number): Cell => ({ contestant, median, spread: 0, samples: [] })
  return {
    contestants: [
      { id: 'log', label: 'bedplate log', ours: true },
      { id: 'against', label: 'beside it', ours: false },
    ],
    rows: rows.map(({ id, title, unit, against, againstTitle, median, ratio, againstMedian }) => ({
      ...{ id, unit, better: 'more' },
      title: `${title}, beside ${againstTitle}`,
      reference: { contestant: 'against', row: against },
      cells: [{ ...cell('log', median), ratio }, cell('against', againstMedian)],
    })),
  }
}

function markdownOf(lines: readonly string[][]): string {
  const head = ['| | figure | spread | ratio | to |', '| --- | --- | --- | --- | --- |']
  return [...head, ...lines.map((line) => `| ${line.join(' | ')} |`)].join('\n')
}

function figure(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toPrecision(3)} G`
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`
  return value >= 1e3 ? `${(value / 1e3).toPrecision(3)} k` : value.toPrecision(3)
}

function percent(part: number): string {
  return `± ${Math.round(part * 100)} %`
}

function write(file: string | boolean | undefined, text: string): void {
  if (typeof file === 'string') writeFileSync(file, text)
}
