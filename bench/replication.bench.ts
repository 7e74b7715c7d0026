// Leader-follower replication, the nodes as processes of one machine: writes by mode, reads of followers, catching up, failovers,
// and pipelined writes beside a redis-server with one replica, on disk and in memory.
//
//   npm run bench -- replication                                      1, 3 and 5 nodes, 64 clients, 20 kills: about three minutes
//   npm run bench -- replication --seconds 1 --nodes 3 --kills 5      less
//   npm run bench -- replication --beside-redis                       the last of it alone
//
// All nodes, and the clients, share the disk and the processors of one machine, so more nodes are slower here, as they would not be
// on several.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Processes } from '../test/support/replicated-kv/processes.ts'
import { owned, temporaryDirectory } from './leftovers.ts'
import { describeDisk, describeMachine } from './machine.ts'
import { HTTP_BATCHES, HTTP_SETS, measurePipeline, type Protocol, RESP } from './replication/pipelines.ts'
import { RedisPair } from './replication/redis.ts'
import {
  type Figures,
  measureCatchUp,
  measureFailovers,
  measureReads,
  measureWrites,
  quantile,
} from './replication/tasks.ts'
import { type BenchmarkSettings, type OwnOptions, UsageError } from './support.ts'

const DEFAULT_DIRECTORY = 'bedplate-data/bench'
const MODES = ['sync', 'semi-sync', 'async'] as const
const CONNECTIONS = 16
/** Writes under way on each connection: a disk that is waited for is seen in the first figure, the work for a write in the second. */
const DEPTHS = [64, 512] as const
const WARM_UP_SECONDS = 2
/** With two nodes a majority is both, so the third mode is the second one. */
const BESIDE_MODES = ['async', 'semi-sync'] as const

export const options: OwnOptions = {
  /** Only what is measured beside Redis. */
  'beside-redis': { type: 'boolean' },
  nodes: { type: 'string' },
  clients: { type: 'string' },
  kills: { type: 'string' },
  /** Where to put the nodes: the disk that is measured. */
  directory: { type: 'string' },
  markdown: { type: 'string' },
}

type Line = readonly string[]

export default async function run({ seconds, options: given }: BenchmarkSettings): Promise<void> {
  const nodeCounts = given['beside-redis'] === true ? [] : numbersOf('nodes', given['nodes'] ?? '1,3,5')
  const [clients = 0] = numbersOf('clients', given['clients'] ?? '64')
  const [kills = 0] = numbersOf('kills', given['kills'] ?? '20')
  const parent = resolve(String(given['directory'] ?? DEFAULT_DIRECTORY))
  const directory = temporaryDirectory(parent, 'replication-')
  const load = { clients, seconds }
  const lines: Line[] = [['', 'nodes', 'a second', 'p50', 'p99']]
  const notes: string[] = []
  const add = (name: string, nodes: number, { rate, p50, p99 }: Figures): void => {
    lines.push([name, String(nodes), Math.round(rate).toLocaleString('en-US'), ms(p50), ms(p99)])
    print(lines.at(-1) as Line)
  }
  console.log(`${clients} clients over HTTP, values of 100 bytes, ${seconds} s a row, ${describeDisk(directory)}.\n`)
  print(lines[0] as Line)
  try {
    for (const count of nodeCounts) {
      for (const mode of MODES) {
        const nodes = await openNodes(join(directory, `${mode}-${count}`), count, mode)
        add(`writes, ${mode}`, count, await measureWrites(nodes, load))
        if (mode === 'semi-sync' && count === 3) {
          for (const used of [1, 2, 3]) {
            const ids = nodes.running.slice(-used)
            add(`stale reads of ${used} node(s)`, count, await measureReads(nodes, ids, load, '&consistency=stale'))
          }
          add('linearizable reads of 3', count, await measureReads(nodes, nodes.running, load))
          notes.push(
            `a follower that was away catches up with ${(await measureCatchUp(nodes)).toPrecision(3)} MB/s, its start included`,
          )
          notes.push(
            `failover after kill -9 of the leader, ${kills} times: ${summaryOf(await measureFailovers(nodes, kills))}`,
          )
        }
        await nodes.close()
      }
    }
    notes.push(...(await besideRedis(directory, seconds)))
    console.log(`\n${notes.join('\n')}`)
    const table = lines.map((cells) => `| ${cells.join(' | ')} |`)
    table.splice(1, 0, '| --- | --- | --- | --- | --- |')
    const file = given['markdown']
    const text = `${JSON.stringify(describeMachine())}\n\n${table.join('\n')}\n\n${notes.map((note) => `- ${note}`).join('\n')}\n`
    if (typeof file === 'string') writeFileSync(file, text)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/**
 * Pipelined writes with one follower each. Ours are on the leader's disk before they are answered, as Redis's are with `appendfsync
 * always`; in memory it promises nothing.
 */
async function besideRedis(directory: string, seconds: number): Promise<string[]> {
  const lines: (readonly [name: string, depth: number, rate: number])[] = []
  const measured = async (name: string, port: number, protocol: Protocol, depths: readonly number[]): Promise<void> => {
    // Code of a process that has just begun is not what it will be.
    await measurePipeline(port, protocol, { connections: CONNECTIONS, depth: DEPTHS[0], seconds: WARM_UP_SECONDS })
    for (const depth of depths) {
      const rate = await measurePipeline(port, protocol, { connections: CONNECTIONS, depth, seconds })
      lines.push([`${name}: ${protocol.name}`, depth, rate])
    }
  }
  for (const durability of ['always', 'memory'] as const) {
    const redis = await RedisPair.open(directory, durability)
    const kept = durability === 'always' ? 'appendfsync always' : 'in memory'
    try {
      await measured(`redis-server and a replica, ${kept}`, redis.port, RESP, DEPTHS)
    } finally {
      await redis.close()
    }
  }
  const bases = lines.slice()
  for (const mode of BESIDE_MODES) {
    const nodes = await openNodes(join(directory, `beside-redis-${mode}`), 2, mode)
    const name = `replicated-kv, ${mode}, and a follower`
    try {
      const port = nodes.portOf(await nodes.leader())
      await measured(name, port, RESP, DEPTHS)
      if (mode !== 'async') continue
      for (const protocol of [HTTP_SETS, HTTP_BATCHES]) await measured(name, port, protocol, [DEPTHS[0]])
    } finally {
      await nodes.close()
    }
  }
  return lines.map(([name, depth, rate]) => {
    const shown = Math.round(rate).toLocaleString('en-US')
    const ratios = bases.filter((base) => base[1] === depth).map(([, , base]) => `${(rate / base).toFixed(2)} x`)
    const beside = `${ratios.join(' and ')} those of Redis`
    return `${name}, ${CONNECTIONS} connections, ${depth} writes under way on each: ${shown} writes/s (${beside})`
  })
}

async function openNodes(directory: string, count: number, mode: string): Promise<Processes> {
  mkdirSync(directory, { recursive: true })
  const nodes = await Processes.open(directory, count, [`--mode=${mode}`], owned)
  await nodes.startAll(count)
  return nodes
}

function numbersOf(name: string, text: string | boolean): number[] {
  const numbers = String(text).split(',').map(Number)
  if (numbers.every((number) => Number.isInteger(number) && number >= 1)) return numbers
  throw new UsageError(`--${name} must be whole numbers of at least 1, with commas between them`)
}

function summaryOf(times: readonly number[]): string {
  const [p50, p90, most] = [quantile(times, 0.5), quantile(times, 0.9), Math.max(...times)].map(Math.round)
  return `p50 ${p50} ms, p90 ${p90} ms, at most ${most} ms`
}

function print(line: Line): void {
  console.log(line.map((cell, i) => (i === 0 ? cell.padEnd(26) : cell.padStart(12))).join(''))
}

function ms(value: number): string {
  return `${value.toPrecision(3)} ms`
}
