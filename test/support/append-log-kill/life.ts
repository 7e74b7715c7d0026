// The life of one append log on the real disk: its writers are killed one after the other, and after each the log is opened
// and compared with what that writer had said.
import { fileURLToPath } from 'node:url'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { type AppendLog, openAppendLog } from '../../../ts/storage/append-log/index.ts'
import type { Durability } from '../../../ts/storage/log/types.ts'
import { must } from '../btree-crash/expectation.ts'
import { killAfterReports } from '../kill-after-reports.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { type Report, recordAt, type WriterOrders } from './plan.ts'

const WRITER = fileURLToPath(new URL('./writer.ts', import.meta.url))
/** One log after the other goes through them. */
const LEVELS: readonly Durability[] = ['sync', 'memory', 'os', { intervalMs: 5 }]
const ROUNDS = 4
/** A writer is killed after so many reports at most, seldom after so many. */
const MOST_REPORTS = 400

/** What was done and found. */
export interface LogTally {
  logKills: number
  /** Records that were there, and compared. */
  logRecords: number
  /** Appends and truncations that were acknowledged. */
  logPromises: number
}

export function newLogTally(): LogTally {
  return { logKills: 0, logRecords: 0, logPromises: 0 }
}

/** Lives the life of seed `seed`. @throws Violation if the log breaks its word. */
export async function liveLogOnce(seed: number, tally: LogTally): Promise<void> {
  const directory = temporaryDirectory()
  try {
    const life = new Life(`${directory.path}/log`, seed, tally)
    for (let round = 0; round < ROUNDS; round++) {
      await life.round().catch((error: Error) => {
        throw new Error(`round ${round}: ${error.message}`, { cause: error })
      })
    }
  } finally {
    directory.remove()
  }
}

/** Changes what is at the end of a log. */
type Change = Extract<Report, { say: 'append' | 'truncate after' }>

class Life {
  private readonly path: string
  private readonly seed: number
  private readonly tally: LogTally
  private readonly random: Random
  private readonly durability: Durability
  private firstStep = 0
  private firstOffset = 0
  /** By offset, the step that wrote what is there; what lies before the first offset is not looked at. */
  private written: number[] = []

  constructor(path: string, seed: number, tally: LogTally) {
    this.path = path
    this.seed = seed
    this.tally = tally
    this.random = seededRandom(seed)
    this.durability = LEVELS[seed % LEVELS.length] as Durability
  }

  /** Runs a writer until it is killed, and looks what is there. */
  async round(): Promise<void> {
    const { path, seed, firstStep, durability } = this
    const orders: WriterOrders = { path, seed, firstStep, durability }
    const count = 1 + Math.floor(this.random.next() ** 2 * MOST_REPORTS)
    const reports = await killAfterReports<Report>(WRITER, orders, count)
    this.tally.logKills++
    for (const report of reports) if ('step' in report) this.firstStep = Math.max(this.firstStep, report.step + 1)
    const log = await openAppendLog(path, { create: true, segmentBytes: 16 * 1024 })
    try {
      this.adopt(reports, log)
      const { problems } = await log.verify()
      must(problems.length === 0, () => `verify: ${problems.join('; ')}`)
    } finally {
      await log.close()
    }
  }

  private adopt(reports: readonly Report[], log: AppendLog): void {
    const done = new Set(reports.flatMap((report) => (report.say === 'done' ? [report.step] : [])))
    this.tally.logPromises += done.size
    const isPromised = ({ step }: { step: number }): boolean => this.durability !== 'memory' && done.has(step)
    this.adoptBeginning(reports, log, isPromised)

    const changes = reports.filter(
      (report): report is Change => report.say === 'append' || report.say === 'truncate after',
    )
    const least = changes.findLastIndex(isPromised) + 1
    const found = recordsOf(log)
    this.tally.logRecords += found.length
    for (let count = 0; count <= changes.length; count++) {
      const change = changes[count - 1]
      if (change !== undefined) apply(this.written, change)
      if (count >= least && this.holds(found, log)) return
    }
    must(false, () => {
      const { firstOffset, nextOffset } = log
      return `offsets ${firstOffset} to ${nextOffset} are not what any of changes ${least} to ${changes.length} left`
    })
  }

  /** The beginning moves for itself: to where a truncation moved it, and not less far than one that was promised. */
  private adoptBeginning(
    reports: readonly Report[],
    { firstOffset }: AppendLog,
    isPromised: (report: { step: number }) => boolean,
  ): void {
    const moves = reports.filter((report) => report.say === 'truncate before')
    const least = Math.max(this.firstOffset, ...moves.filter(isPromised).map(({ offset }) => offset))
    const possible = [this.firstOffset, ...moves.map(({ offset }) => offset)]
    must(
      firstOffset >= least && possible.includes(firstOffset),
      () => `the log begins at ${firstOffset}, which should be at least ${least} and one of ${possible.join(', ')}`,
    )
    this.firstOffset = firstOffset
  }

  private holds(found: readonly string[], { firstOffset, nextOffset }: AppendLog): boolean {
    const { written, seed } = this
    if (nextOffset !== written.length) return false
    return found.every((record, i) => {
      const offset = firstOffset + i
      return record === recordAt(seed, offset, written[offset] as number).toString()
    })
  }
}

function apply(written: number[], change: Change): void {
  if (change.say === 'append') written.push(...Array<number>(change.count).fill(change.step))
  else written.length = change.offset + 1
}

function recordsOf(log: AppendLog): string[] {
  const records: string[] = []
  for (let offset = log.firstOffset; offset < log.nextOffset; ) {
    const block = log.read(offset)
    for (const record of block) records.push(Buffer.from(record).toString())
    offset = block.nextOffset
  }
  return records
}
