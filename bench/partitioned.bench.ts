// The partitioned store on the nodes of one machine: puts and gets by R, W and N, and reads while a node comes.
//
//   npm run bench -- partitioned                              3 nodes, 64 clients: about a minute
//   npm run bench -- partitioned --nodes 5 --clients 16
//   npm run bench -- partitioned --move-mb 200                what lies there when the node comes; 0 for none
//
// Each node is a process, with its share of the clients in it: real sockets between them and real syncs, and no HTTP in front.
import { rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { temporaryDirectory } from './leftovers.ts'
import { describeDisk } from './machine.ts'
import { BenchCluster, type Figures, NEWCOMER } from './partitioned/cluster.ts'
import { quantile } from './raft/tasks.ts'
import { type BenchmarkSettings, type OwnOptions, UsageError } from './support.ts'

const DEFAULT_DIRECTORY = 'bedplate-data/bench'
/** Of all clients; a client that has come to its last one begins again. */
const KEYS = 10_000
const VALUE_BYTES = 100
/** Of those that move. */
const MOVED_VALUE_BYTES = 1024
const MB = 1e6
/** N, R and W of each row. */
const COUNTS = [
  { n: 1, r: 1, w: 1 },
  { n: 3, r: 1, w: 1 },
  { n: 3, r: 2, w: 2 },
  { n: 3, r: 1, w: 3 },
] as const
/** Of the reads while a node comes. */
const MOVING_COUNTS = { n: 3, r: 2, w: 2 }

export const options: OwnOptions = {
  nodes: { type: 'string' },
  clients: { type: 'string' },
  'move-mb': { type: 'string' },
  /** Where to put the nodes: the disk that is measured. */
  directory: { type: 'string' },
  markdown: { type: 'string' },
}

interface Setting {
  readonly clients: number
  readonly seconds: number
}

export default async function run({ seconds, options: given }: BenchmarkSettings): Promise<void> {
  const nodeCount = numberOf('nodes', given['nodes'] ?? '3', 3)
  const clients = numberOf('clients', given['clients'] ?? '64', 1)
  const moved = numberOf('move-mb', given['move-mb'] ?? '50', 0)
  const parent = resolve(String(given['directory'] ?? DEFAULT_DIRECTORY))
  const directory = temporaryDirectory(parent, 'partitioned-')
  const cluster = await BenchCluster.open(directory, nodeCount)
  try {
    console.log(
      `${nodeCount} nodes, ${clients} clients, values of ${VALUE_BYTES} bytes, ${seconds} s a figure, ${describeDisk(directory)}.\n`,
    )
    const lines = await byCounts(cluster, { clients, seconds })
    for (const line of lines) console.log(line.map((cell, i) => cell.padStart(i < 3 ? 4 : 12)).join(''))
    const moving = moved === 0 ? [] : await whileMoving(cluster, { clients, seconds }, moved)
    for (const line of moving)
      console.log(line.map((cell, i) => (i === 0 ? cell.padEnd(36) : cell.padStart(12))).join(''))
    if (typeof given['markdown'] === 'string') {
      writeFileSync(
        given['markdown'],
        [lines, moving]
          .filter(({ length }) => length > 0)
          .map(markdownOf)
          .join('\n'),
      )
    }
  } finally {
    await cluster.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function byCounts(cluster: BenchCluster, { clients, seconds }: Setting): Promise<string[][]> {
  const lines = [['N', 'R', 'W', 'puts/s', 'p50', 'p99', 'gets/s', 'p50', 'p99']]
  for (const [row, counts] of COUNTS.entries()) {
    // Each client writes keys of its own and passes on what it has read, so that no siblings pile up.
    const wanted = { row: `row${row}`, clients, keysAClient: Math.ceil(KEYS / clients) }
    const load = { counts, seconds, valueBytes: VALUE_BYTES }
    const puts = await cluster.measure('puts', wanted, load)
    await idle(cluster)
    const gets = await cluster.measure('gets', wanted, load)
    await idle(cluster)
    lines.push([counts.n, counts.r, counts.w].map(String).concat(shown(puts), shown(gets)))
  }
  return lines
}

/** Reads before a node comes, until it has its part, and behind that. */
async function whileMoving(
  cluster: BenchCluster,
  { clients, seconds }: Setting,
  megabytes: number,
): Promise<string[][]> {
  const keysAClient = Math.ceil((megabytes * MB) / MOVED_VALUE_BYTES / clients)
  const wanted = { row: 'moved', clients, keysAClient }
  await cluster.fill(wanted, MOVED_VALUE_BYTES)
  await idle(cluster)
  const load = { counts: MOVING_COUNTS, valueBytes: MOVED_VALUE_BYTES }
  const before = await cluster.measure('gets', wanted, { ...load, seconds })
  const reading = cluster.measure('gets', wanted, { ...load, seconds: undefined })
  await cluster.add(NEWCOMER)
  const start = performance.now()
  let bytes = 0
  await cluster.until((all) => {
    const newcomer = all.find(({ name }) => name === NEWCOMER)
    bytes = Math.max(bytes, newcomer?.moves?.bytes ?? 0)
    return newcomer?.phase !== 'streaming' && newcomer?.isMember === true
  })
  const copySeconds = (performance.now() - start) / 1000
  await cluster.stop()
  const during = await reading
  await cluster.until((all) => all.every(({ phase, isSwept }) => phase === 'stable' && isSwept))
  const after = await cluster.measure('gets', wanted, { ...load, seconds })
  const rate = `${(bytes / MB).toFixed(0)} MB, ${(bytes / MB / copySeconds).toFixed(1)} MB/s`
  return [
    ['', 'gets/s', 'p50', 'p99'],
    ['before a node comes', ...shown(before)],
    [`while it copies ${rate}`, ...shown(during)],
    ['once it has its part', ...shown(after)],
  ]
}

/** What one row has left under way is not the next one's: with W below N, replicas are still at it. */
function idle(cluster: BenchCluster): Promise<void> {
  return cluster.until((all) => all.every(({ requests, hints }) => requests + hints === 0))
}

function shown({ times, rate }: Figures): string[] {
  const ms = (part: number): string => `${quantile(times, part).toPrecision(3)} ms`
  return [Math.round(rate).toLocaleString('en-US'), ms(0.5), ms(0.99)]
}

function markdownOf([head = [], ...lines]: readonly string[][]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
  return [row(head), row(head.map(() => '---')), ...lines.map(row)].join('')
}

function numberOf(name: string, text: string | boolean, least: number): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= least) return number
  throw new UsageError(`--${name} must be a whole number of at least ${least}`)
}
