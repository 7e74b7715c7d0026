// Raft on the nodes of one machine: appends in this process and over HTTP, failovers, the simulator.
//
//   npm run bench -- raft                                     1, 3 and 5 nodes, 1 and 64 clients, 20 kills: about two minutes
//   npm run bench -- raft --seconds 1 --nodes 3 --kills 5     less
//
// All nodes share the disk and the processors of one machine, so more nodes are slower here, as they would not be on several.
import { rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { temporaryDirectory } from './leftovers.ts'
import { describeDisk, describeMachine } from './machine.ts'
import { openInProcess, Processes } from './raft/clusters.ts'
import { type AppendFigures, measureAppends, measureFailover, measureSimulator, quantile } from './raft/tasks.ts'
import { type BenchmarkSettings, type OwnOptions, UsageError } from './support.ts'

const DEFAULT_DIRECTORY = 'bedplate-data/bench'
const DEFAULT_KILLS = 20

export const options: OwnOptions = {
  nodes: { type: 'string' },
  clients: { type: 'string' },
  kills: { type: 'string' },
  /** Where to put the nodes: the disk that is measured. */
  directory: { type: 'string' },
  json: { type: 'string' },
  markdown: { type: 'string' },
}

interface Row extends AppendFigures {
  readonly where: 'in process' | 'over HTTP'
  readonly nodes: number
  readonly clients: number
}

export default async function run({ seconds, options: given }: BenchmarkSettings): Promise<void> {
  const nodeCounts = numbersOf('nodes', given['nodes'] ?? '1,3,5')
  const clientCounts = numbersOf('clients', given['clients'] ?? '1,64')
  const [kills = 0] = numbersOf('kills', given['kills'] ?? String(DEFAULT_KILLS))
  const parent = resolve(String(given['directory'] ?? DEFAULT_DIRECTORY))
  const directory = temporaryDirectory(parent, 'raft-')
  try {
    const rows: Row[] = []
    let failovers: number[] = []
    for (const nodes of nodeCounts) {
      const local = await openInProcess(join(directory, `local-${nodes}`), nodes)
      for (const clients of clientCounts) {
        rows.push({ where: 'in process', nodes, clients, ...(await measureAppends(local, clients, seconds)) })
      }
      await local.close()
      const processes = await Processes.open(join(directory, `http-${nodes}`), nodes)
      for (const clients of clientCounts) {
        rows.push({ where: 'over HTTP', nodes, clients, ...(await measureAppends(processes, clients, seconds)) })
      }
      if (nodes === Math.max(...nodeCounts) && nodes > 2) failovers = await measureFailover(processes, kills)
      await processes.close()
    }
    const simulatorEvents = measureSimulator(seconds)
    const lines = linesOf(rows)
    console.log(`Commands of 100 bytes, ${seconds} s a row, ${describeDisk(directory)}.\n`)
    for (const line of lines)
      console.log(line.map((cell, i) => (i === 0 ? cell.padEnd(24) : cell.padStart(14))).join(''))
    const failover = `failover after kill -9, ${failovers.length} times: ${summaryOf(failovers)}`
    const simulator = `simulator: ${Math.round(simulatorEvents).toLocaleString('en-US')} events/s`
    console.log(`\n${failover}\n${simulator}`)
    const result = {
      machine: describeMachine(),
      disk: describeDisk(directory),
      seconds,
      rows,
      failovers,
      simulatorEvents,
    }
    write(given['json'], `${JSON.stringify(result, null, 2)}\n`)
    write(given['markdown'], `${markdownOf(lines)}\n\n- ${failover}\n- ${simulator}\n`)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function numbersOf(name: string, text: string | boolean): number[] {
  const numbers = String(text).split(',').map(Number)
  if (numbers.every((number) => Number.isInteger(number) && number >= 1)) return numbers
  throw new UsageError(`--${name} must be whole numbers of at least 1, with commas between them`)
}

function linesOf(rows: readonly Row[]): string[][] {
  const head = ['', 'nodes', 'clients', 'appends/s', 'p50', 'p99']
  const ms = (value: number): string => `${value.toPrecision(3)} ms`
  const rate = (value: number): string => Math.round(value).toLocaleString('en-US')
  return [
    head,
    ...rows.map((row) => [row.where, String(row.nodes), String(row.clients), rate(row.rate), ms(row.p50), ms(row.p99)]),
  ]
}

function summaryOf(times: readonly number[]): string {
  if (times.length === 0) return 'not measured'
  const [p50, p90, most] = [quantile(times, 0.5), quantile(times, 0.9), Math.max(...times)].map(Math.round)
  return `p50 ${p50} ms, p90 ${p90} ms, at most ${most} ms`
}

function markdownOf([head = [], ...lines]: readonly string[][]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [row(head), row(head.map(() => '---')), ...lines.map(row)].join('\n')
}

function write(file: string | boolean | undefined, text: string): void {
  if (typeof file === 'string') writeFileSync(file, text)
}
