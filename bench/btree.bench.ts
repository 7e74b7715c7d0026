// The B-tree store against its peers: lmdb, classic-level and better-sqlite3, in turns on the same disk.
//
//   npm ci --prefix bench/peers       once; without it ours runs alone
//   npm run bench -- btree            1,000,000 records, 5 turns: about half an hour
//   npm run bench -- btree --quick    100,000 records, 3 turns: a few minutes, and only roughly right
//
// What a figure is worth stands beside it: the spread of the turns, the durability of each contestant, and the load of the
// machine. Every contestant does every task in a process of its own. Compare ratios within one run, never figures of two.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { chartSvg } from './btree/chart.ts'
import { CONTESTANTS } from './btree/contestants/index.ts'
import { isInstalled, versionOf } from './btree/contestants/peers.ts'
import { KEY_BYTES, VALUE_BYTES } from './btree/records.ts'
import { type Results, summarise } from './btree/results.ts'
import { runTurns } from './btree/runner.ts'
import { markdownText, PEERS_MISSING, scaleText, terminalText, versionsText } from './btree/table.ts'
import { type Contestant, NEEDS_STORE, type Scale, TASKS, type TaskName } from './btree/types.ts'
import { describeDisk, describeMachine } from './machine.ts'
import { type BenchmarkSettings, type OwnOptions, UsageError } from './support.ts'

const FULL = { records: 1_000_000, turns: 5, seconds: 3 }
const QUICK = { records: 100_000, turns: 3, seconds: 0.5 }
/** Enough for all records, so that what is compared is the engines and not their cache sizes. */
const CACHE_MIB = 256
const SEED = 1
const DEFAULT_DIRECTORY = 'bedplate-data/bench'

export const options: OwnOptions = {
  quick: { type: 'boolean' },
  records: { type: 'string' },
  turns: { type: 'string' },
  'cache-mib': { type: 'string' },
  /** Contestants and tasks to keep, with commas between; fill-random is run where a task needs its store. */
  contestants: { type: 'string' },
  tasks: { type: 'string' },
  /** Where to put the stores: the disk that is measured. */
  directory: { type: 'string' },
  json: { type: 'string' },
  svg: { type: 'string' },
  markdown: { type: 'string' },
}

export default async function run({ options: given }: BenchmarkSettings): Promise<void> {
  const defaults = given['quick'] === true ? QUICK : FULL
  const scale: Scale = {
    records: wholeNumber('records', given['records'] ?? defaults.records),
    seconds: Number(given['seconds'] ?? defaults.seconds),
    cacheBytes: wholeNumber('cache-mib', given['cache-mib'] ?? CACHE_MIB) * 1024 * 1024,
    seed: SEED,
  }
  const turns = wholeNumber('turns', given['turns'] ?? defaults.turns)
  const contestants = pickContestants(given['contestants'])
  const tasks = pickTasks(given['tasks'])
  const parent = resolve(String(given['directory'] ?? DEFAULT_DIRECTORY))
  mkdirSync(parent, { recursive: true })
  const directory = mkdtempSync(join(parent, 'btree-'))
  const machine = describeMachine()
  const disk = describeDisk(directory)
  try {
    const outcome = await runTurns({ contestants, tasks, turns, scale, directory, onProgress: showProgress })
    showProgress('')
    const results: Results = {
      scale: { ...scale, turns, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES },
      contestants: contestants.map(({ id, label, ours, modes, peer }) => ({
        ...{ id, label, ours, modes },
        version: peer === undefined ? '' : `${peer} ${versionOf(peer)}`,
      })),
      rows: summarise(outcome.turns, contestants),
      leftOut: outcome.leftOut,
    }
    console.log(`${scaleText(results)} ${versionsText(results)} Stores on ${disk}.\n`)
    console.log(terminalText(results))
    write(given['json'], `${JSON.stringify({ machine, disk, ...results }, null, 2)}\n`)
    write(given['markdown'], `${markdownText(results, machine, disk)}\n`)
    const where = `${machine.processor}, ${machine.cores} cores, ${disk}, ${machine.date}`
    write(given['svg'], chartSvg(results, [scaleText(results), where]))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function pickContestants(wanted: string | boolean | undefined): Contestant[] {
  const ids = namesIn(
    wanted,
    CONTESTANTS.map(({ id }) => id),
  )
  const there = CONTESTANTS.filter(({ id, peer }) => ids.has(id) && (peer === undefined || isInstalled(peer)))
  const missing = CONTESTANTS.filter((contestant) => ids.has(contestant.id) && !there.includes(contestant))
  if (missing.length > 0) console.log(`${missing.map(({ label }) => label).join(', ')}: ${PEERS_MISSING}\n`)
  return there
}

function pickTasks(wanted: string | boolean | undefined): Set<TaskName> {
  const tasks = namesIn(wanted, TASKS).add('empty')
  return NEEDS_STORE.some((task) => tasks.has(task)) ? tasks.add('fill-random') : tasks
}

function namesIn<T extends string>(list: string | boolean | undefined, known: readonly T[]): Set<T> {
  if (typeof list !== 'string') return new Set(known)
  const names = list.split(',')
  const unknown = names.filter((name) => !known.includes(name as T))
  if (unknown.length > 0) throw new UsageError(`unknown: ${unknown.join(', ')}; there are ${known.join(', ')}`)
  return new Set(names as T[])
}

function wholeNumber(name: string, value: string | boolean | number): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= 1) return number
  throw new UsageError(`--${name} must be a whole number of at least 1, got ${value}`)
}

function write(file: string | boolean | undefined, text: string): void {
  if (typeof file === 'string') writeFileSync(file, text)
}

/** One line that is written over; only where somebody looks. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}
