// The partitioned store on the nodes of one machine: puts and gets by R, W and N.
//
//   npm run bench -- partitioned                              3 nodes, 64 clients: about half a minute
//   npm run bench -- partitioned --nodes 5 --clients 16
//
// All nodes are threads of work in one process, on one disk: real sockets between them and real syncs, and no HTTP in front.
import { rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { freePorts } from '../test/support/ports.ts'
import { openPartitionedNode, type PartitionedNode } from '../ts/distributed/ring/store/public.ts'
import { temporaryDirectory } from './leftovers.ts'
import { describeDisk } from './machine.ts'
import { quantile } from './raft/tasks.ts'
import { type BenchmarkSettings, type OwnOptions, UsageError } from './support.ts'

const DEFAULT_DIRECTORY = 'bedplate-data/bench'
const HOST = '127.0.0.1'
/** Of all clients; a client that has come to its last one begins again. */
const KEYS = 10_000
const VALUE = new Uint8Array(100).fill(120)
/** N, R and W of each row. */
const COUNTS = [
  { n: 1, r: 1, w: 1 },
  { n: 3, r: 1, w: 1 },
  { n: 3, r: 2, w: 2 },
  { n: 3, r: 1, w: 3 },
] as const

export const options: OwnOptions = {
  nodes: { type: 'string' },
  clients: { type: 'string' },
  /** Where to put the nodes: the disk that is measured. */
  directory: { type: 'string' },
  markdown: { type: 'string' },
}

export default async function run({ seconds, options: given }: BenchmarkSettings): Promise<void> {
  const nodeCount = numberOf('nodes', given['nodes'] ?? '3', 3)
  const clients = numberOf('clients', given['clients'] ?? '64', 1)
  const parent = resolve(String(given['directory'] ?? DEFAULT_DIRECTORY))
  const directory = temporaryDirectory(parent, 'partitioned-')
  const nodes = await openNodes(directory, nodeCount)
  try {
    const lines = [['N', 'R', 'W', 'puts/s', 'p50', 'p99', 'gets/s', 'p50', 'p99']]
    for (const [row, counts] of COUNTS.entries()) {
      // Each client writes keys of its own and passes on what it has read, so that no siblings pile up.
      const contexts = new Map<string, string>()
      const keysOf = (index: number): string[] =>
        Array.from({ length: Math.ceil(KEYS / clients) }, (_, i) => `row${row}:${index}:${i}`)
      const load = { nodes, clients, seconds }
      const puts = await measure(load, keysOf, async (node, key) => {
        const { context } = await node.put(key, VALUE, { ...counts, context: contexts.get(key) })
        contexts.set(key, context)
      })
      await idle(nodes)
      // What is not there is found out sooner.
      const writtenOf = (index: number): string[] => keysOf(index).filter((key) => contexts.has(key))
      const gets = await measure(load, writtenOf, async (node, key) => {
        await node.get(key, { n: counts.n, r: counts.r })
      })
      await idle(nodes)
      lines.push([counts.n, counts.r, counts.w].map(String).concat(shown(puts), shown(gets)))
    }
    console.log(
      `${nodeCount} nodes, ${clients} clients, values of ${VALUE.length} bytes, ${seconds} s a figure, ${describeDisk(directory)}.\n`,
    )
    for (const line of lines) console.log(line.map((cell, i) => cell.padStart(i < 3 ? 4 : 12)).join(''))
    if (typeof given['markdown'] === 'string') writeFileSync(given['markdown'], markdownOf(lines))
  } finally {
    for (const node of nodes) await node.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

interface Load {
  readonly nodes: readonly PartitionedNode[]
  readonly clients: number
  readonly seconds: number
}

/** Each client goes on for so long, on its node, with keys of its own, which are the row's: others would have siblings. @returns Milliseconds of each request, and how many a second. */
async function measure(
  { nodes, clients, seconds }: Load,
  keysOf: (index: number) => readonly string[],
  request: (node: PartitionedNode, key: string) => Promise<void>,
): Promise<{ times: number[]; rate: number }> {
  const times: number[] = []
  const start = performance.now()
  const end = start + seconds * 1000
  const client = async (index: number): Promise<void> => {
    const node = nodes[index % nodes.length] as PartitionedNode
    const keys = keysOf(index)
    for (let i = 0; performance.now() < end; i = (i + 1) % keys.length) {
      const before = performance.now()
      await request(node, keys[i] as string)
      times.push(performance.now() - before)
      // Who reads what its own node has is answered at once: without a turn nobody else would ever have one.
      await new Promise((resolve_) => setImmediate(resolve_))
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, index) => client(index)))
  return { times, rate: times.length / ((performance.now() - start) / 1000) }
}

async function openNodes(directory: string, count: number): Promise<PartitionedNode[]> {
  const ports = await freePorts(count)
  const addresses = Object.fromEntries(ports.map((port, i) => [`node${i + 1}`, { host: HOST, port }]))
  const nodes: PartitionedNode[] = []
  for (const name of Object.keys(addresses)) {
    nodes.push(await openPartitionedNode(join(directory, name), { name, nodes: addresses, create: true }))
  }
  while (nodes.some(({ status }) => status.connected.length < count - 1)) {
    await new Promise((resolve_) => setTimeout(resolve_, 5))
  }
  return nodes
}

/** What one row has left under way is not the next one's: with W below N, replicas are still at it. */
async function idle(nodes: readonly PartitionedNode[]): Promise<void> {
  while (nodes.some(({ status }) => status.requests + status.hints > 0)) {
    await new Promise((resolve_) => setTimeout(resolve_, 5))
  }
}

function shown({ times, rate }: { times: readonly number[]; rate: number }): string[] {
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
