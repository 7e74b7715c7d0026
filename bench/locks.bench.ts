// The lock service beside Debian's etcd 3.4, one member each, through the same client in the same run, turn by turn; and without gRPC.
//
//   npm run bench -- locks                                  5 s for each task and server: about a minute and a half
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
import { type RunningServer, startEtcd, startOurs } from './locks/servers.ts'
import { inProcess, measure, type Sample, type Target, type Task, throughEtcd3, warmUp } from './locks/tasks.ts'
import { describeDisk, describeMachine } from './machine.ts'
import { quantile } from './raft/tasks.ts'
import { type BenchmarkSettings, type OwnOptions, UsageError } from './support.ts'

const DEFAULT_DIRECTORY = 'bedplate-data/bench'
/** How often the servers take turns, so that a noisy moment does not hit one of them alone. */
const ROUNDS = 5
const LOADS = ['s', 'm', 'l', 'xl']

/** What is measured, and what is wanted of ours: the ratio to etcd through the client, and in process. */
const CASES: readonly { task: Task; inFlight: number; wanted?: number; wantedInProcess?: number }[] = [
  { task: 'put', inFlight: 1, wanted: 1 },
  { task: 'put', inFlight: 64, wanted: 0.8, wantedInProcess: 5 },
  { task: 'get', inFlight: 1 },
  { task: 'get', inFlight: 64 },
  { task: 'lock', inFlight: 1 },
]

export const options: OwnOptions = {
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

interface Row {
  readonly case: (typeof CASES)[number]
  readonly bedplate: Figures
  readonly etcd: Figures | undefined
  readonly inProcess: Figures
}

export default async function run({ seconds, options: given }: BenchmarkSettings): Promise<void> {
  const { 'check-perf': load, profile } = given
  if (load !== undefined && !LOADS.includes(String(load))) {
    throw new UsageError(`--check-perf is one of ${LOADS.join(', ')}`)
  }
  const parent = resolve(String(given['directory'] ?? DEFAULT_DIRECTORY))
  const directory = temporaryDirectory(parent, 'locks-')
  const nodeArgs = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(String(profile))}`]
  const etcdVersion = versionOfEtcd()
  const bedplate = await startOurs(directory, nodeArgs)
  const etcd = etcdVersion === undefined ? undefined : await startEtcd(directory)
  try {
    const rows = await measureAll({ directory, bedplate, etcd, seconds })
    const outside = load === undefined ? [] : checkAll([bedplate, etcd], String(load))
    const lines = linesOf(rows)
    const about = [
      `Values of 100 bytes, ${seconds} s a task and server in ${ROUNDS} turns, ${describeDisk(directory)}.`,
      `bedplate: fsync before every answer. etcd ${etcdVersion ?? '(not installed)'}: as it comes, which is the same.`,
      'In process: the node without gRPC, as durable. A lock: acquired and released, with a lease of its own.',
    ]
    console.log(`${about.join('\n')}\n`)
    for (const line of lines)
      console.log(line.map((cell, i) => (i === 0 ? cell.padEnd(14) : cell.padStart(14))).join(''))
    for (const line of outside.map(showPerf)) console.log(line)
    const result = { machine: describeMachine(), disk: describeDisk(directory), etcdVersion, seconds, rows, outside }
    write(given['json'], `${JSON.stringify(result, null, 2)}\n`)
    write(given['markdown'], `${markdownOf(lines)}\n${outside.map((each) => `\n- ${showPerf(each)}`).join('')}\n`)
  } finally {
    await bedplate.stop()
    await etcd?.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

interface Contest {
  readonly directory: string
  readonly bedplate: RunningServer
  readonly etcd: RunningServer | undefined
  readonly seconds: number
}

async function measureAll({ directory, bedplate, etcd, seconds }: Contest): Promise<Row[]> {
  const local = await inProcess(directory)
  const targets: Target[] = [throughEtcd3(bedplate.address), local]
  if (etcd !== undefined) targets.push(throughEtcd3(etcd.address))
  for (const target of targets) await warmUp(target)
  const rows: Row[] = []
  for (const each of CASES) {
    const samples: Sample[][] = targets.map(() => [])
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, target] of targets.entries()) {
        samples[i]?.push(await measure(target, each.task, each.inFlight, seconds / ROUNDS))
      }
    }
    const [ours, inside, theirs] = samples.map(figuresOf)
    rows.push({ case: each, bedplate: ours as Figures, inProcess: inside as Figures, etcd: theirs })
  }
  for (const target of targets) await target.close()
  return rows
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

function checkAll(servers: readonly (RunningServer | undefined)[], load: string): PerfFigures[] {
  return servers.flatMap((server) => (server === undefined ? [] : [checkPerf(server, load)]))
}

function showPerf({ name, load, writesPerSecond, slowestSeconds }: PerfFigures): string {
  const rate = writesPerSecond === undefined ? 'no figure' : `${writesPerSecond.toLocaleString('en-US')} writes/s`
  return `etcdctl check perf --load ${load}, ${name}: ${rate}, the slowest took ${slowestSeconds ?? '?'} s`
}

function versionOfEtcd(): string | undefined {
  const { stdout, error } = spawnSync('etcd', ['--version'], { encoding: 'utf8' })
  return error === undefined ? /etcd Version: (\S+)/.exec(stdout)?.[1] : undefined
}

const HEAD = ['', 'in flight', 'bedplate/s', 'p50', 'p99', 'etcd/s', 'p50', 'p99', 'ratio', 'in process/s', 'to etcd']

function linesOf(rows: readonly Row[]): string[][] {
  return [HEAD, ...rows.map(lineOf)]
}

function lineOf({
  case: { task, inFlight, wanted, wantedInProcess },
  bedplate,
  etcd,
  inProcess: inside,
}: Row): string[] {
  const names = { put: 'puts', get: 'gets', lock: 'locks' }
  return [
    names[task],
    String(inFlight),
    ...cellsOf(bedplate),
    ...(etcd === undefined ? ['', '', ''] : cellsOf(etcd)),
    ratioOf(bedplate, etcd, wanted),
    cellsOf(inside)[0] as string,
    ratioOf(inside, etcd, wantedInProcess),
  ]
}

function cellsOf({ rate, p50, p99 }: Figures): string[] {
  const ms = (value: number): string => `${value.toPrecision(3)} ms`
  return [Math.round(rate).toLocaleString('en-US'), ms(p50), ms(p99)]
}

function ratioOf(ours: Figures, theirs: Figures | undefined, wanted: number | undefined): string {
  if (theirs === undefined) return ''
  const reached = (ours.rate / theirs.rate).toFixed(2)
  return wanted === undefined ? reached : `${reached} (>= ${wanted})`
}

function markdownOf([head = [], ...lines]: readonly string[][]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [row(head), row(head.map(() => '---')), ...lines.map(row)].join('\n')
}

function write(file: string | boolean | undefined, text: string): void {
  if (typeof file === 'string') writeFileSync(file, text)
}
