// What `npm run bench -- NAME` does for a contest: reads its options, runs the turns, and writes the results.
import { rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { temporaryDirectory } from '../leftovers.ts'
import { describeDisk, describeMachine } from '../machine.ts'
import { type BenchmarkSettings, type OwnOptions, UsageError } from '../support.ts'
import { chartSvg } from './chart.ts'
import { isInstalled, PEERS_MISSING, versionOf } from './peers.ts'
import { KEY_BYTES, VALUE_BYTES } from './records.ts'
import { type Results, summarise } from './results.ts'
import { runTurns } from './runner.ts'
import { markdownText, scaleText, terminalText, versionsText } from './table.ts'
import { type Contest, type Contestant, EMPTY, type Scale } from './types.ts'

/** How much a run does unless its options say otherwise. */
export interface Size {
  records: number
  turns: number
  seconds: number
}

/** Enough for all records, so that what is compared is the engines and not their cache sizes. */
const CACHE_MIB = 256
const SEED = 1
const DEFAULT_DIRECTORY = 'bedplate-data/bench'

export const CONTEST_OPTIONS: OwnOptions = {
  quick: { type: 'boolean' },
  records: { type: 'string' },
  turns: { type: 'string' },
  'cache-mib': { type: 'string' },
  /** Contestants and tasks to keep, with commas between; the task that makes a store is run where one needs it. */
  contestants: { type: 'string' },
  tasks: { type: 'string' },
  /** Where to put the stores: the disk that is measured. */
  directory: { type: 'string' },
  json: { type: 'string' },
  svg: { type: 'string' },
  markdown: { type: 'string' },
}

/** Runs `contest` in the size that the options ask for. */
export async function runContest(
  contest: Contest,
  sizes: { full: Size; quick: Size },
  { options: given }: BenchmarkSettings,
): Promise<void> {
  const defaults = given['quick'] === true ? sizes.quick : sizes.full
  const scale: Scale = {
    records: wholeNumber('records', given['records'] ?? defaults.records),
    seconds: Number(given['seconds'] ?? defaults.seconds),
    cacheBytes: wholeNumber('cache-mib', given['cache-mib'] ?? CACHE_MIB) * 1024 * 1024,
    seed: SEED,
  }
  const turns = wholeNumber('turns', given['turns'] ?? defaults.turns)
  const contestants = pickContestants(contest, given['contestants'])
  const tasks = pickTasks(contest, given['tasks'])
  const parent = resolve(String(given['directory'] ?? DEFAULT_DIRECTORY))
  const directory = temporaryDirectory(parent, `${contest.name}-`)
  const machine = describeMachine()
  const disk = describeDisk(directory)
  try {
    const outcome = await runTurns({ contest, contestants, tasks, turns, scale, directory, onProgress: showProgress })
    showProgress('')
    const results: Results = {
      scale: { ...scale, turns, keyBytes: KEY_BYTES, valueBytes: VALUE_BYTES },
      contestants: contestants.map(({ id, label, ours, modes, peer, version }) => ({
        ...{ id, label, ours, modes },
        version: version?.() ?? (peer === undefined ? '' : `${peer} ${versionOf(peer)}`),
      })),
      rows: summarise(outcome.turns, { contestants, rows: contest.rows }),
      leftOut: outcome.leftOut,
    }
    console.log(`${scaleText(results)} ${versionsText(results)} Stores on ${disk}.\n`)
    console.log(terminalText(results, contest))
    write(given['json'], `${JSON.stringify({ machine, disk, ...results }, null, 2)}\n`)
    write(given['markdown'], `${markdownText(results, contest, machine, disk)}\n`)
    const where = `${machine.processor}, ${machine.cores} cores, ${disk}, ${machine.date}`
    write(given['svg'], chartSvg(results, { title: contest.title, subtitles: [scaleText(results), where] }))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Those that are wanted and can take part here; one line says why others cannot. */
function pickContestants({ contestants }: Contest, wanted: string | boolean | undefined): Contestant[] {
  const ids = namesIn(
    wanted,
    contestants.map(({ id }) => id),
  )
  const reasons = new Map<string, string[]>()
  const there = contestants.filter((contestant) => {
    if (!ids.has(contestant.id)) return false
    const { peer, missing, label } = contestant
    const reason = peer !== undefined && !isInstalled(peer) ? PEERS_MISSING : missing?.()
    if (reason !== undefined) reasons.set(reason, [...(reasons.get(reason) ?? []), label])
    return reason === undefined
  })
  for (const [reason, labels] of reasons) console.log(`${labels.join(', ')}: ${reason}\n`)
  return there
}

function pickTasks(
  { tasks: known, needsStore, makesStore }: Contest,
  wanted: string | boolean | undefined,
): Set<string> {
  const tasks = namesIn(wanted, known).add(EMPTY)
  return needsStore.some((task) => tasks.has(task)) ? tasks.add(makesStore) : tasks
}

function namesIn(list: string | boolean | undefined, known: readonly string[]): Set<string> {
  if (typeof list !== 'string') return new Set(known)
  const names = list.split(',')
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new UsageError(`unknown: ${unknown.join(', ')}; there are ${known.join(', ')}`)
  return new Set(names)
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
