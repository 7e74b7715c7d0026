// The lock service beside Debian's etcd 3.4, one member each and three, through the same client in the same run, turn by turn; one
// without gRPC; and gRPC without one, which is as fast as a server in JavaScript can be. Then the leaders of the three are killed, and it is measured how long nobody is answered.
//
//   npm run bench -- locks                                  5 s for each task and server, 10 kills: about four minutes
//   npm run bench -- locks --members 3 --kills 50           the clusters alone
//   npm run bench -- locks --check-perf l                   and `etcdctl check perf --load l` on both: two minutes more
//   npm run bench -- locks --seconds 2 --profile folder     less, and a processor profile of ours
//
// The client is the npm package etcd3, in this process. Both servers put every change on disk before they answer. Without etcd
// (package etcd-server) ours is measured alone.
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { temporaryDirectory } from './leftovers.ts'
import { checkPerf, type PerfFigures } from './locks/check-perf.ts'
import { type Servers, startBare, startEtcd, startOurs } from './locks/servers.ts'
import {
  inProcess,
  measure,
  measureFailover,
  type Sample,
  TASKS,
  type Target,
  type Task,
  throughEtcd3,
  warmUp,
} from './locks/tasks.ts'
import { describeDisk, describeMachine } from './machine.ts'
import { quantile } from './raft/tasks.ts'
import { type BenchmarkSettings, type OwnOptions, UsageError } from './support.ts'

const DEFAULT_DIRECTORY = 'bedplate-data/bench'
/** How often the servers take turns, so that a noisy moment does not hit one of them alone. */
const ROUNDS = 5
const LOADS = ['s', 'm', 'l', 'xl']

const DEFAULT_KILLS = 10
/** What is wanted of three members to those of etcd. */
const WANTED_OF_CLUSTERS = 0.8

/** What is measured, and what is wanted of one of ours: the ratio to etcd through the client, and in process. */
const CASES: readonly { task: Task; inFlight: number; wanted?: number; wantedInProcess?: number }[] = [
  { task: 'put', inFlight: 1, wanted: 1 },
  { task: 'put', inFlight: 64, wanted: 0.8, wantedInProcess: 5 },
  { task: 'get', inFlight: 1 },
  { task: 'get', inFlight: 64 },
  { task: 'lock', inFlight: 1 },
]

export const options: OwnOptions = {
  /** How many members: 1, 3, or both, which is the default. */
  members: { type: 'string' },
  /** How often the leader of three members is killed. */
  kills: { type: 'string' },
  /** The load of `etcdctl check perf`: s, m, l or xl. */
  'check-perf': { type: 'string' },
  /** Where to put the data: the disk that is measured. */
  directory: { type: 'string' },
  /** Where to put a processor profile of ours. */
  profile: { type: 'string' },
  json: { type: 'string' },
  markdown: { type: 'string' },
}

interface Figures {
  readonly rate: number
  readonly p50: number
  readonly p99: number
}

type TargetName = 'bedplate' | 'etcd' | 'inProcess' | 'bare'

interface Row {
  readonly case: (typeof CASES)[number]
  readonly figures: Readonly<Partial<Record<TargetName, Figures>>>
}

/** What was measured of so many members. */
interface Result {
  readonly members: number
  readonly rows: readonly Row[]
  readonly outside: readonly PerfFigures[]
  readonly failoversMs: Readonly<Record<string, readonly number[]>>
}

export default async function run({ seconds, options: given }: BenchmarkSettings): Promise<void> {
  const { 'check-perf': load, profile, members = '1,3', kills = String(DEFAULT_KILLS) } = given
  if (load !== undefined && !LOADS.includes(String(load))) {
    throw new UsageError(`--check-perf is one of ${LOADS.join(', ')}`)
  }
  const counts = String(members).split(',').map(Number)
  if (!counts.every((count) => count === 1 || count === 3)) throw new UsageError('--members is 1, 3 or 1,3')
  if (!(Number.isInteger(Number(kills)) && Number(kills) >= 0)) throw new UsageError('--kills is a whole number')
  const parent = resolve(String(given['directory'] ?? DEFAULT_DIRECTORY))
  const directory = temporaryDirectory(parent, 'locks-')
  const nodeArgs = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(String(profile))}`]
  const etcdVersion = versionOfEtcd()
  try {
    const about = [
      `Values of 100 bytes, ${seconds} s a task and server in ${ROUNDS} turns, ${describeDisk(directory)}.`,
      `bedplate: fsync before every answer. etcd ${etcdVersion ?? '(not installed)'}: as it comes, which is the same.`,
      'gRPC alone: a server in JavaScript that answers at once and keeps nothing, by the same library. In process: the node',
      'without gRPC, as durable. A lock: acquired and released, with a lease of its own.',
    ]
    console.log(about.join('\n'))
    const results: Result[] = []
    for (const count of counts) {
      const hasEtcd = etcdVersion !== undefined
      const result = await measureCluster({
        directory,
        members: count,
        nodeArgs,
        hasEtcd,
        seconds,
        load,
        kills: Number(kills),
      })
      results.push(result)
      show(result)
    }
    const all = { machine: describeMachine(), disk: describeDisk(directory), etcdVersion, seconds, results }
    write(given['json'], `${JSON.stringify(all, null, 2)}\n`)
    write(given['markdown'], results.map(markdownOf).join('\n'))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

interface ClusterCase {
  readonly directory: string
  readonly members: number
  readonly nodeArgs: readonly string[]
  readonly hasEtcd: boolean
  readonly seconds: number
  readonly load: string | boolean | undefined
  readonly kills: number
}

async function measureCluster({ directory, members, nodeArgs, hasEtcd, seconds, load, kills }: ClusterCase) {
  const bedplate = await startOurs(directory, members, nodeArgs)
  const etcd = hasEtcd ? await startEtcd(directory, members) : undefined
  try {
    const rows = await measureAll({ directory, bedplate, etcd, seconds })
    const outside = load === undefined ? [] : checkAll([bedplate, etcd], String(load))
    const failoversMs: Record<string, number[]> = {}
    for (const servers of members > 1 ? [bedplate, etcd] : []) {
      if (servers !== undefined) failoversMs[servers.name] = await measureFailover(servers, kills)
    }
    return { members, rows, outside, failoversMs }
  } finally {
    await bedplate.stop()
    await etcd?.stop()
  }
}

interface Contest {
  readonly directory: string
  readonly bedplate: Servers
  readonly etcd: Servers | undefined
  readonly seconds: number
}

async function measureAll({ directory, bedplate, etcd, seconds }: Contest): Promise<Row[]> {
  const isAlone = bedplate.addresses.length === 1
  const targets: Partial<Record<TargetName, Target>> = {
    bedplate: throughEtcd3(bedplate.addresses),
    ...(etcd === undefined ? {} : { etcd: throughEtcd3(etcd.addresses) }),
    ...(isAlone ? { inProcess: await inProcess(directory), bare: throughEtcd3([await startBare()]) } : {}),
  }
  const entries = Object.entries(targets) as [TargetName, Target][]
  for (const [name, target] of entries) await warmUp(target, tasksOf(name))
  const rows: Row[] = []
  for (const each of CASES) {
    const rivals = entries.filter(([name]) => tasksOf(name).includes(each.task))
    const samples = new Map<TargetName, Sample[]>(rivals.map(([name]) => [name, []]))
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, target] of rivals) {
        samples.get(name)?.push(await measure(target, each.task, each.inFlight, seconds / ROUNDS))
      }
    }
    const { wanted, ...about } = each
    const due = isAlone ? wanted : WANTED_OF_CLUSTERS
    rows.push({
      case: { ...about, ...(due === undefined ? {} : { wanted: due }) },
      figures: Object.fromEntries([...samples].map(([name, taken]) => [name, figuresOf(taken)])),
    })
  }
  for (const [, target] of entries) await target.close()
  return rows
}

/** The bare server knows no leases. */
function tasksOf(name: TargetName): readonly Task[] {
  return name === 'bare' ? ['put', 'get'] : TASKS
}

function figuresOf(samples: readonly Sample[]): Figures {
  const latencies = samples.flatMap((sample) => sample.latencies)
  const elapsedMs = samples.reduce((sum, sample) => sum + sample.elapsedMs, 0)
  return {
    rate: (latencies.length / elapsedMs) * 1000,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  }
}

function checkAll(servers: readonly (Servers | undefined)[], load: string): PerfFigures[] {
  return servers.flatMap((server) => (server === undefined ? [] : [checkPerf(server, load)]))
}

function showPerf({ name, members, load, writesPerSecond, slowestSeconds }: PerfFigures): string {
  const rate = writesPerSecond === undefined ? 'no figure' : `${writesPerSecond.toLocaleString('en-US')} writes/s`
  return `etcdctl check perf --load ${load}, ${name}, members ${members}: ${rate}, the slowest took ${slowestSeconds ?? '?'} s`
}

function versionOfEtcd(): string | undefined {
  const { stdout, error } = spawnSync('etcd', ['--version'], { encoding: 'utf8' })
  return error === undefined ? /etcd Version: (\S+)/.exec(stdout)?.[1] : undefined
}

const HEAD = ['', 'in flight', 'bedplate/s', 'p50', 'p99', 'etcd/s', 'p50', 'p99', 'ratio']
const HEAD_ALONE = ['gRPC alone/s', 'p50', 'in process/s', 'to etcd']

function linesOf({ members, rows }: Result): string[][] {
  const [first = '', ...rest] = HEAD
  const head = [members === 1 ? first : `${members} members`, ...rest, ...(members === 1 ? HEAD_ALONE : [])]
  return [head, ...rows.map(lineOf)]
}

function show(result: Result): void {
  console.log('')
  for (const line of linesOf(result)) {
    console.log(line.map((cell, i) => (i === 0 ? cell.padEnd(14) : cell.padStart(14))).join(''))
  }
  for (const line of remarksOf(result)) console.log(line)
}

function remarksOf({ outside, failoversMs }: Result): string[] {
  const failovers = Object.entries(failoversMs).flatMap(([name, times]) => {
    if (times.length === 0) return []
    const [p50, p90, most] = [quantile(times, 0.5), quantile(times, 0.9), Math.max(...times)].map(Math.round)
    return [`failover after kill -9, ${name}, ${times.length} times: p50 ${p50} ms, p90 ${p90} ms, at most ${most} ms`]
  })
  return [...outside.map(showPerf), ...failovers]
}

function lineOf({ case: { task, inFlight, wanted, wantedInProcess }, figures }: Row): string[] {
  const names = { put: 'puts', get: 'gets', lock: 'locks' }
  const { bedplate, etcd, inProcess: inside, bare } = figures
  const [bareRate = '', bareHalf = ''] = cellsOf(bare)
  return [
    names[task],
    String(inFlight),
    ...cellsOf(bedplate),
    ...cellsOf(etcd),
    ratioOf(bedplate, etcd, wanted),
    ...(inside === undefined
      ? []
      : [bareRate, bareHalf, cellsOf(inside)[0] ?? '', ratioOf(inside, etcd, wantedInProcess)]),
  ]
}

function cellsOf(figures: Figures | undefined): string[] {
  if (figures === undefined) return ['', '', '']
  const ms = (value: number): string => `${value.toPrecision(3)} ms`
  return [Math.round(figures.rate).toLocaleString('en-US'), ms(figures.p50), ms(figures.p99)]
}

function ratioOf(ours: Figures | undefined, theirs: Figures | undefined, wanted: number | undefined): string {
  if (ours === undefined || theirs === undefined) return ''
  const reached = (ours.rate / theirs.rate).toFixed(2)
  return wanted === undefined ? reached : `${reached} (>= ${wanted})`
}

function markdownOf(result: Result): string {
  const [head = [], ...lines] = linesOf(result)
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const table = [row(head), row(head.map(() => '---')), ...lines.map(row)]
  return `${[...table, '', ...remarksOf(result).map((line) => `- ${line}`)].join('\n')}\n`
}

function write(file: string | boolean | undefined, text: string): void {
  if (typeof file === 'string') writeFileSync(file, text)
}
