// The cache server against Debian's redis-server and against a bare Node server, with redis-benchmark as their client.
//
//   npm run bench -- cache                                  everything: about eight minutes
//   npm run bench -- cache --seconds 0.3 --rounds 1         a look
//   npm run bench -- cache --only SET,GET --parts throughput
//
// The servers take turns: what slows the machine slows all of them. redis-benchmark, the server and whatever else runs share the
// machine's processors, so a server with threads beside its main one gains less here than on a machine of its own.
import { rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Load, load, TESTS, type TestName } from './cache/load.ts'
import { RunningServer, SERVERS, type ServerChoice, type ServerName } from './cache/servers.ts'
import { temporaryDirectory } from './leftovers.ts'
import { describeDisk, describeMachine } from './machine.ts'
import { type BenchmarkSettings, type OwnOptions, summarise, UsageError } from './support.ts'

const DEFAULT_DIRECTORY = 'bedplate-data/bench'
const DEFAULT_ROUNDS = 5
const DEFAULT_KEYS = 1_000_000
const PIPELINES = [1, 16] as const
const PARTS = ['throughput', 'durable', 'cluster', 'memory'] as const
/** How many requests find out how many fit into the time of a run. */
const TRIAL_REQUESTS = 2000
const FILL_PIPELINE = 64

export const options: OwnOptions = {
  /** Tests of redis-benchmark, with commas between them. */
  only: { type: 'string' },
  /** throughput, durable, cluster, memory. */
  parts: { type: 'string' },
  rounds: { type: 'string' },
  /** How many keys the part `memory` makes. */
  keys: { type: 'string' },
  directory: { type: 'string' },
  json: { type: 'string' },
  markdown: { type: 'string' },
}

/** One server in one case: medians of its rounds, with the spread of the rate. */
interface Row extends Load {
  readonly part: string
  readonly test: TestName
  readonly pipeline: number
  readonly server: ServerName
  readonly spread: number
}

interface MemoryRow {
  readonly server: ServerName
  /** Bytes a key by what the process grew, and by what INFO says that it uses. */
  readonly resident: number
  readonly counted: number | undefined
}

export default async function run({ seconds, options: given }: BenchmarkSettings): Promise<void> {
  const tests = listOf('only', given['only'], Object.keys(TESTS) as TestName[])
  const parts = listOf('parts', given['parts'], PARTS)
  const rounds = numberOf('rounds', given['rounds'], DEFAULT_ROUNDS)
  const keys = numberOf('keys', given['keys'], DEFAULT_KEYS)
  const parent = resolve(String(given['directory'] ?? DEFAULT_DIRECTORY))
  const directory = temporaryDirectory(parent, 'cache-')
  const rows: Row[] = []
  const measure = async (part: string, names: readonly ServerName[], cases: readonly Case[], choice: Choose) => {
    const found = await contest(part, names, cases, choice, seconds / rounds, rounds)
    rows.push(...found)
    for (const row of found) console.log(lineOf(cellsOf(row, found)))
  }
  try {
    console.log(`redis-benchmark, 50 connections, medians of ${rounds} rounds, ${describeDisk(directory)}\n`)
    console.log(lineOf(HEAD))
    if (parts.includes('throughput')) {
      const cases = PIPELINES.flatMap((pipeline) => tests.map((test) => ({ test, pipeline })))
      await measure('in memory', SERVERS, cases, () => ({}))
    }
    if (parts.includes('durable')) {
      const cases = PIPELINES.map((pipeline) => ({ test: 'SET' as const, pipeline }))
      await measure('appendfsync always', ['bedplate', 'redis'], cases, (name) => ({
        durableIn: join(directory, name),
      }))
    }
    const inCluster = tests.filter((test) => test === 'GET' || test === 'SET')
    if (parts.includes('cluster')) {
      const cases = PIPELINES.flatMap((pipeline) => inCluster.map((test) => ({ test, pipeline })))
      await measure('cluster of 3', ['bedplate', 'redis'], cases, () => ({ nodes: 3 }))
    }
    let memory: MemoryRow[] = []
    if (parts.includes('memory')) {
      const cases = [{ test: 'SET' as const, pipeline: 1, keys }]
      memory = await measureMemory(keys)
      await measure(`among ${keys.toLocaleString('en-US')} keys`, SERVERS, cases, () => ({}))
      for (const line of memoryLines(memory, keys)) console.log(line)
    }
    const result = { machine: describeMachine(), disk: describeDisk(directory), seconds, rounds, rows, memory }
    write(given['json'], `${JSON.stringify(result, null, 2)}\n`)
    write(
      given['markdown'],
      `${markdownOf(rows)}\n${memoryLines(memory, keys)
        .map((line) => `\n- ${line}`)
        .join('')}\n`,
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

interface Case {
  readonly test: TestName
  readonly pipeline: number
  /** So many keys are there before. */
  readonly keys?: number
}
type Choose = (name: ServerName) => ServerChoice

/** Lets the servers take turns at every case. */
async function contest(
  part: string,
  names: readonly ServerName[],
  cases: readonly Case[],
  choose: Choose,
  seconds: number,
  rounds: number,
): Promise<Row[]> {
  const servers: RunningServer[] = []
  const rows: Row[] = []
  try {
    for (const name of names) servers.push(await RunningServer.start(name, choose(name)))
    const cluster = choose('redis').nodes !== undefined
    for (const { test, pipeline, keys } of cases) {
      const found = new Map<RunningServer, Load[]>(servers.map((server) => [server, []]))
      const requests = new Map<RunningServer, number>()
      const shape = { pipeline, cluster, ...(keys !== undefined && { keys }) }
      for (const server of servers) {
        if (!cluster) server.ask('flushall')
        if (test === 'GET' || keys !== undefined) {
          await load(server, 'SET', { ...shape, requests: 2 * (keys ?? 100_000), pipeline: FILL_PIPELINE })
        }
        const { rate } = await load(server, test, { ...shape, requests: TRIAL_REQUESTS * pipeline })
        requests.set(server, Math.max(50 * pipeline, Math.ceil(rate * seconds)))
      }
      for (let round = 0; round < rounds; round++) {
        for (const server of servers) {
          found.get(server)?.push(await load(server, test, { ...shape, requests: requests.get(server) ?? 1 }))
        }
      }
      for (const [{ name }, loads] of found) rows.push({ part, test, pipeline, server: name, ...mediansOf(loads) })
    }
    return rows
  } finally {
    for (const server of servers) await server.stop()
  }
}

function mediansOf(loads: readonly Load[]): Load & { spread: number } {
  const median = (of: (one: Load) => number): number => summarise(loads.map(of)).median
  const { median: rate, spread } = summarise(loads.map((one) => one.rate))
  return {
    rate,
    spread,
    p50: median(({ p50 }) => p50),
    p99: median(({ p99 }) => p99),
    most: Math.max(...loads.map(({ most }) => most)),
    cpu: median(({ cpu }) => cpu),
  }
}

/** Strings of 3 bytes under keys of 16, made by redis-benchmark. */
async function measureMemory(keys: number): Promise<MemoryRow[]> {
  const rows: MemoryRow[] = []
  for (const name of SERVERS) {
    const server = await RunningServer.start(name)
    try {
      const usedBytes = (): number => Number(/used_memory:(\d+)/.exec(server.ask('info', 'memory'))?.[1])
      const [resident, used] = [server.residentBytes(), usedBytes()]
      // Keys are drawn: three times as many requests make 95 % of them.
      await load(server, 'SET', { requests: 3 * keys, pipeline: FILL_PIPELINE, keys })
      const made = name === 'bare' ? keys * 0.95 : Number(server.ask('dbsize'))
      const counted = (usedBytes() - used) / made
      rows.push({
        server: name,
        resident: (server.residentBytes() - resident) / made,
        counted: Number.isNaN(counted) ? undefined : counted,
      })
    } finally {
      await server.stop()
    }
  }
  return rows
}

const HEAD = [
  '',
  'command',
  'P',
  'server',
  'requests/s',
  '±',
  'of Redis',
  'of bare',
  'p50',
  'p99',
  'most',
  'CPU/request',
]

function cellsOf(row: Row, rows: readonly Row[]): string[] {
  const ratioTo = (name: ServerName): string => {
    const isSame = (other: Row): boolean =>
      other.part === row.part && other.test === row.test && other.pipeline === row.pipeline && other.server === name
    const other = name === row.server ? undefined : rows.find(isSame)
    return other === undefined ? '' : `${(row.rate / other.rate).toFixed(2)}x`
  }
  return [
    row.part,
    row.test,
    String(row.pipeline),
    row.server,
    Math.round(row.rate).toLocaleString('en-US'),
    `${(row.spread * 100).toFixed(0)} %`,
    ratioTo('redis'),
    ratioTo('bare'),
    `${row.p50.toFixed(2)} ms`,
    `${row.p99.toFixed(2)} ms`,
    `${row.most.toFixed(1)} ms`,
    `${row.cpu.toFixed(1)} us`,
  ]
}

function lineOf(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(24) : cell.padStart(12))).join('')
}

/** A line a case, with the servers side by side. */
function markdownOf(rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const head = [
    '',
    'command',
    'P',
    'bedplate/s',
    'redis/s',
    'of Redis',
    'bare/s',
    'of bare',
    'p50, p99',
    'of redis',
    'CPU: ours, redis',
  ]
  const lines = rows
    .filter(({ server }) => server === 'bedplate')
    .map((row) => {
      const of = (name: ServerName): Row | undefined =>
        rows.find(({ part, test, pipeline, server }) => {
          return part === row.part && test === row.test && pipeline === row.pipeline && server === name
        })
      const [redis, bare] = [of('redis'), of('bare')]
      const rate = (one: Row | undefined): string =>
        one === undefined ? '' : Math.round(one.rate).toLocaleString('en-US')
      const ratio = (one: Row | undefined): string => (one === undefined ? '' : (row.rate / one.rate).toFixed(2))
      const times = (one: Row | undefined): string =>
        one === undefined ? '' : `${one.p50.toFixed(2)}, ${one.p99.toFixed(2)} ms`
      const cpu = `${row.cpu.toFixed(1)}, ${redis?.cpu.toFixed(1) ?? '-'} us`
      const figures = [rate(row), rate(redis), ratio(redis), rate(bare), ratio(bare), times(row), times(redis), cpu]
      return [row.part, row.test, String(row.pipeline), ...figures]
    })
  return [line(head), line(head.map(() => '---')), ...lines.map(line)].join('\n')
}

function memoryLines(rows: readonly MemoryRow[], keys: number): string[] {
  return rows.map(({ server, resident, counted }) => {
    const own = counted === undefined ? '' : `, ${Math.round(counted)} by its own count`
    return `${server}: ${Math.round(resident)} bytes of memory a key of ${keys.toLocaleString('en-US')} strings${own}`
  })
}

function listOf<T extends string>(name: string, given: string | boolean | undefined, all: readonly T[]): readonly T[] {
  if (given === undefined) return all
  const wanted = String(given).split(',') as T[]
  if (wanted.every((one) => all.includes(one))) return wanted
  throw new UsageError(`--${name} takes some of ${all.join(', ')}, with commas between them`)
}

function numberOf(name: string, given: string | boolean | undefined, usual: number): number {
  const number = Number(given ?? usual)
  if (Number.isInteger(number) && number >= 1) return number
  throw new UsageError(`--${name} must be a whole number of at least 1`)
}

function write(file: string | boolean | undefined, text: string): void {
  if (typeof file === 'string') writeFileSync(file, text)
}
