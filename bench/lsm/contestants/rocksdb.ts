// RocksDB in its own benchmark program, `db_bench`, which Debian has in rocksdb-tools: what C++ does without Node above it. Its
// records have the same sizes, and values of which half can be compressed away; its tasks are the nearest ones that it has.

import { spawn, spawnSync } from 'node:child_process'
import { directoryBytes, filesIn, LOOK_MS } from '../../contest/measure.ts'
import { KEY_BYTES, VALUE_BYTES } from '../../contest/records.ts'
import { RECORDS_A_BATCH } from '../../contest/steps.ts'
import type { TaskRequest } from '../../contest/types.ts'
import { owned } from '../../leftovers.ts'
import {
  DURABLE_RECORDS,
  KEYS_A_GET_MANY,
  RECORDS_A_PREFIX,
  RECORDS_A_RANGE,
  RECORDS_A_SECOND_BESIDE_READS,
  RECORDS_AN_OVERWRITE,
} from '../sizes.ts'
import type { Figures, LsmContestant, TaskName } from '../types.ts'

const PROGRAM = 'db_bench'
const RECORD_BYTES = KEY_BYTES + VALUE_BYTES
const NO_SUCH_CALL = 'db_bench has no such task'

type Flags = Record<string, string | number>

/** What it is asked for in a task: its benchmarks, and flags beside those of all tasks. */
interface Run {
  benchmarks: string
  flags: Flags
  /** Records that an operation of its counts for. */
  recordsAnOperation?: number
  /** It begins with an empty store. */
  isNew?: boolean
}

export const rocksDb: LsmContestant = {
  id: 'rocksdb',
  label: 'RocksDB, db_bench',
  ours: false,
  missing: () =>
    versionText() === undefined ? 'db_bench is not installed; to compare: apt-get install rocksdb-tools' : undefined,
  version: () => `RocksDB ${versionText()}`,
  modes: { fill: 'handed to the kernel', durable: 'sync, one fdatasync for the writers that wait' },
  tasks: [
    'fill-sequential',
    'durable-1',
    'durable-64',
    'fill-random',
    'get',
    'get-many',
    'get-absent',
    'range-100',
    'prefix-1000',
    'scan',
    'read-while-writing',
    'overwrite',
    'delete',
  ],
  cannot: { 'get-awaited': NO_SUCH_CALL, 'flat-scan': NO_SUCH_CALL },
  async run(request) {
    const task = request.task as TaskName
    const run = runOf(task, request)
    if (task === 'durable-1' || task === 'durable-64') await runProgram(request, filling('fillseq', durable(request)))
    const { output, secondsAfter } = await runProgram(request, run)
    return figuresIn(output, { ...run, secondsAfter, directory: request.directory })
  },
}

function runOf(task: TaskName, request: TaskRequest): Run {
  const { records, seconds } = request
  const duration = Math.max(1, Math.ceil(seconds)) // it takes whole seconds alone
  const reading = (benchmarks: string, flags: Flags = {}, recordsAnOperation = 1): Run => {
    return { benchmarks, flags: { num: records, duration, ...flags }, recordsAnOperation }
  }
  switch (task) {
    case 'fill-sequential':
      return filling('fillseq', records)
    case 'fill-random':
      return filling('filluniquerandom', records)
    case 'durable-1':
      return { benchmarks: 'overwrite', flags: { num: durable(request), duration, sync: 1 } }
    case 'durable-64':
      return { benchmarks: 'overwrite', flags: { num: durable(request), duration, sync: 1, threads: 64 } }
    case 'get-many':
      return reading('multireadrandom', { batch_size: KEYS_A_GET_MANY })
    case 'get-absent':
      return reading('readmissing')
    case 'range-100':
      return reading('seekrandom', { seek_nexts: Math.min(RECORDS_A_RANGE, records) })
    case 'prefix-1000':
      return reading(
        'seekrandom',
        { seek_nexts: Math.min(RECORDS_A_PREFIX, records) },
        Math.min(RECORDS_A_PREFIX, records),
      )
    case 'scan':
      return { benchmarks: 'readseq,readseq', flags: { num: records } }
    case 'read-while-writing':
      return reading('readwhilewriting', { benchmark_write_rate_limit: RECORDS_A_SECOND_BESIDE_READS * RECORD_BYTES })
    case 'overwrite':
      return {
        benchmarks: 'overwrite,flush,waitforcompaction',
        flags: { num: records, batch_size: RECORDS_AN_OVERWRITE, histogram: 1 },
      }
    case 'delete':
      return {
        benchmarks: 'deleterandom,flush,waitforcompaction',
        flags: { num: records, batch_size: RECORDS_A_BATCH },
      }
    default:
      return reading('readrandom')
  }
}

function filling(benchmark: string, num: number): Run {
  const batch = Math.min(RECORDS_A_BATCH, num)
  return { benchmarks: `${benchmark},flush,waitforcompaction`, flags: { num, batch_size: batch }, isNew: true }
}

function durable({ records }: TaskRequest): number {
  return Math.min(records, DURABLE_RECORDS)
}

/** What the program printed, and how long its files still changed after the first benchmark: it waits longer than it works. */
interface Printed {
  output: string
  secondsAfter: number
}

function runProgram(
  { directory, cacheBytes, seed }: TaskRequest,
  { benchmarks, flags, isNew = false }: Run,
): Promise<Printed> {
  const all: Flags = {
    benchmarks,
    db: directory,
    use_existing_db: isNew ? 0 : 1,
    key_size: KEY_BYTES,
    value_size: VALUE_BYTES,
    cache_size: cacheBytes,
    bloom_bits: 10,
    compression_type: 'snappy',
    seed,
    ...flags,
  }
  const args = Object.entries(all).map(([name, value]) => `--${name}=${value}`)
  return new Promise((resolve, reject) => {
    const child = owned(spawn(PROGRAM, args, { stdio: ['ignore', 'pipe', 'pipe'] }))
    let output = ''
    let complaints = ''
    let firstDone: number | undefined
    let lastChange = 0
    let files = ''
    const looking = setInterval(() => {
      if (firstDone === undefined) return
      const now = filesIn(directory, isTable)
      if (now !== files) lastChange = performance.now()
      files = now
    }, LOOK_MS)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (RESULT.test(output)) firstDone ??= performance.now()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text
    })
    child.on('error', reject)
    child.on('close', (status) => {
      clearInterval(looking)
      if (status !== 0) reject(new Error(`db_bench ended with ${status}: ${complaints.trim().split('\n').at(-1)}`))
      else resolve({ output, secondsAfter: Math.max(0, lastChange - (firstDone ?? lastChange)) / 1000 })
    })
  })
}

/** Its other files change once more when it closes the store. */
function isTable(name: string): boolean {
  return name.endsWith('.sst')
}

/** `fillseq :  2.3 micros/op 426439 ops/sec 2.345 seconds 1000000 operations; ...` */
const RESULT = /^(\w+) *: +[\d.]+ micros\/op (\d+) ops\/sec ([\d.]+) seconds (\d+) operations/m

function figuresIn(
  output: string,
  { flags, recordsAnOperation = 1, secondsAfter, directory }: Run & { secondsAfter: number; directory: string },
): Figures {
  const results = [...output.matchAll(new RegExp(RESULT, 'gm'))]
  const last = results.at(-1)
  if (last === undefined) throw new Error('db_bench printed no result')
  const [operations, seconds] = [Number(last[4]), Number(last[3])]
  const figures: Figures = { rate: (operations / seconds) * recordsAnOperation }
  const isDataFile = (file: string): boolean => /\.sst$|^MANIFEST/.test(file)
  const closed = { closedDataBytes: directoryBytes(directory, isDataFile), closedFileBytes: directoryBytes(directory) }
  if (!output.includes('waitforcompaction')) return figures
  Object.assign(figures, closed, { settledRate: operations / (seconds + secondsAfter) })
  const percentiles = /P99: ([\d.]+)/.exec(output)?.[1]
  const worst = /Max: (\d+)/.exec(output)?.[1]
  if (percentiles !== undefined && worst !== undefined) {
    const spaceAmplification = closed.closedDataBytes / (Number(flags['num']) * RECORD_BYTES)
    Object.assign(figures, { p99Ms: Number(percentiles) / 1000, worstMs: Number(worst) / 1000, spaceAmplification })
  }
  return figures
}

let found: string | undefined | null = null

/** Its version; undefined where there is no such program. */
function versionText(): string | undefined {
  if (found === null) {
    const { stdout } = spawnSync(PROGRAM, ['--version'], { encoding: 'utf8' })
    found = /(\d+\.\d+\.\d+)/.exec(stdout ?? '')?.[1]
  }
  return found
}
