// When background work is done: flushes and compactions, one after the other, slice by slice between the turns of others. A
// flush that becomes due goes before the rest of a compaction, unless level 0 is crowded: then writers wait for merges. A full
// disk, or too many open files, end the work without a trace, and it is tried again later.
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Cancel } from '../../io/clock.ts'
import {
  type Compaction,
  type CompactionLimits,
  compactionOf,
  isCrowded,
  nextExpiryMs,
  pickCompaction,
} from './compaction.ts'
import type { KeySpan } from './internal-key.ts'
import { isShortage, shortOf } from './shortage.ts'
import { TableWork, type TableWorkOptions } from './table-work.ts'
import { RETRY_MS } from './types.ts'

/** What the work is done on, and who is told of it. */
export interface BackgroundOptions extends TableWorkOptions {
  readonly limits: CompactionLimits
  /** Called when work has ended, or was put off for want of space. */
  onProgress(): void
  /** Takes note of an error that ends the work of the store. */
  fail(error: unknown): void
}

/** Somebody who waits for the tables of a span to be merged. */
interface Request {
  readonly span: KeySpan
  isDone: boolean
}

/** Leaves work that closing has made needless. */
const CANCELLED = new BedplateError('CLOSED', 'the work was cancelled: the store is being closed')
/** Bounds of a wait for the next table to be too old: clocks jump. */
const MIN_WATCH_MS = 1000
const MAX_WATCH_MS = 3_600_000

export class Background {
  readonly work: TableWork
  /** What the last try found no space or no file for. */
  shortage: BedplateError | undefined
  private readonly options: BackgroundOptions
  private running: Promise<void> | undefined
  private requests: Request[] = []
  /** Those who wait for the next piece of work to end, or for all of it. */
  private watchers: (() => void)[] = []
  private cancelRetry: Cancel = () => {}
  private isClosing = false
  /** The last merge found no space or no file: it makes no room in level 0, so flushes do not wait for it. */
  private cannotMerge = false
  private failure: unknown
  /** What a compaction has read that is damaged: there are no more of them, and everything else goes on. */
  private damage: unknown

  constructor(options: BackgroundOptions) {
    this.options = options
    this.work = new TableWork(options)
  }

  /** Begins what is due, if nothing is being done. */
  wake(): void {
    if (this.isClosing || this.running !== undefined || !this.isDue()) return
    this.cancelRetry()
    this.running = this.run().finally(() => {
      this.running = undefined
      this.tellWatchers()
      if (this.shortage !== undefined) return
      this.watchExpiry()
      this.wake() // what became due while it was ending
    })
  }

  /** Resolves when what waits in memory now is in tables. @throws DISK_FULL, UNAVAILABLE if that has to be put off. */
  async flushed(): Promise<void> {
    const { memory } = this.options
    const [last] = memory.waiting
    while (last !== undefined && memory.waiting.includes(last) && !this.isClosing) {
      this.wake()
      await this.pieceEnded()
      this.assertAlive()
      if (memory.waiting.includes(last)) this.assertSupplied()
    }
  }

  /** Merges all that is in tables now of the keys in `span` into one level. @throws CLOSED if closing cuts it off. */
  async compact(span: KeySpan): Promise<void> {
    await this.flushed()
    const request = { span, isDone: false }
    this.requests.push(request)
    try {
      while (!request.isDone && !this.isClosing) {
        this.wake()
        await this.pieceEnded()
        this.assertAlive()
        if (this.damage !== undefined) throw this.damage
        this.assertSupplied()
      }
      if (!request.isDone) throw CANCELLED
    } finally {
      this.requests = this.requests.filter((other) => other !== request)
    }
  }

  /** Resolves when nothing is due any more. */
  async settled(): Promise<void> {
    while (this.running !== undefined) await this.running
  }

  /** Ends the work: flushes what waits in memory, if there is space, and leaves compactions. */
  async close(): Promise<void> {
    this.isClosing = true
    this.cancelRetry()
    await this.settled()
    if (this.failure !== undefined) return
    try {
      while (this.options.memory.waiting.length > 0) await this.work.flushOldest()
    } catch (error) {
      if (!isShortage(error)) throw this.failed(error)
    }
  }

  // -- what is due --------------------------------------------------------------------------------------------------

  private isDue(): boolean {
    if (this.failure !== undefined) return false
    if (this.options.memory.waiting.length > 0 || this.requests.length > 0) return true
    if (this.damage !== undefined) return false
    return this.pick() !== undefined
  }

  /** What somebody asked for, else what is most due. */
  private pick(): Compaction | undefined {
    const { versions, limits } = this.options
    const { workshop, manifest } = this.work
    const [request] = this.requests
    const now = workshop.clock.now()
    return request === undefined
      ? pickCompaction(versions.current, manifest.plan, limits, now)
      : compactionOf(request.span, versions.current, manifest.plan, limits, now)
  }

  /** Comes back when the next table of a FIFO store is too old. */
  watchExpiry(): void {
    const { clock } = this.work.workshop
    const expiryMs = nextExpiryMs(this.options.versions.current, this.work.manifest.plan)
    if (expiryMs === undefined || this.isClosing || this.failure !== undefined) return
    const afterMs = Math.min(MAX_WATCH_MS, Math.max(MIN_WATCH_MS, expiryMs - clock.now()))
    this.cancelRetry()
    this.cancelRetry = clock.timer(afterMs, () => {
      this.wake()
      if (this.running === undefined) this.watchExpiry()
    })
  }

  private async run(): Promise<void> {
    try {
      while (!this.isClosing) {
        await this.work.workshop.clock.turn() // never in the turn of a writer
        if (this.isFlushDue()) {
          await this.work.flushOldest()
        } else {
          const [request] = this.requests
          const compaction = this.pick()
          if (compaction !== undefined && this.damage === undefined) await this.compactOrNoteDamage(compaction)
          else if (request === undefined) return
          this.fulfil(request)
        }
        this.pieceDone()
      }
    } catch (error) {
      this.putOff(error)
    }
  }

  private isFlushDue(): boolean {
    const { memory, versions, limits } = this.options
    if (memory.waiting.length === 0) return false
    if (this.damage !== undefined || this.cannotMerge) return true
    return !isCrowded(versions.current, this.work.manifest.plan, limits)
  }

  private pieceDone(): void {
    this.shortage = undefined
    this.options.onProgress()
    this.tellWatchers()
  }

  /** Resolves when a piece of the work has ended, or there is none. */
  private async pieceEnded(): Promise<void> {
    if (this.running !== undefined) await this.progressed()
  }

  /** Resolves when the next piece of the work has ended, well or not. */
  progressed(): Promise<void> {
    return new Promise<void>((resolve) => void this.watchers.push(resolve))
  }

  private tellWatchers(): void {
    const { watchers } = this
    this.watchers = []
    for (const tell of watchers) tell()
  }

  private fulfil(request: Request | undefined): void {
    if (request === undefined) return
    request.isDone = true
    this.requests = this.requests.filter((other) => other !== request)
  }

  private putOff(error: unknown): void {
    if (error === CANCELLED) return
    if (!isShortage(error)) {
      this.failed(error)
      return
    }
    this.shortage = error
    this.requests = []
    this.options.onProgress()
    this.cancelRetry = this.work.workshop.clock.timer(RETRY_MS, () => this.wake())
  }

  private failed(error: unknown): unknown {
    this.failure = error
    this.options.fail(error)
    this.options.onProgress()
    return error
  }

  private assertAlive(): void {
    if (this.failure !== undefined) throw this.failure
  }

  private assertSupplied(): void {
    if (this.shortage !== undefined) throw shortOf(this.work.workshop.path, this.shortage)
  }

  /** Damaged bytes end compactions: what can be read still can, and nothing that is damaged is written again. */
  private async compactOrNoteDamage(compaction: Compaction): Promise<void> {
    try {
      await this.work.compact(compaction, () => this.letFlushesGoFirst())
      this.cannotMerge = false
    } catch (error) {
      this.cannotMerge = isShortage(error)
      if (!isCode(error, 'CORRUPTION') && !isCode(error, 'INCOMPATIBLE')) throw error
      this.damage = error
    }
  }

  /** Between two slices of a compaction, which ends here when the store is closed. */
  private async letFlushesGoFirst(): Promise<void> {
    if (this.isClosing) throw CANCELLED
    if (!this.isFlushDue()) return
    await this.work.flushOldest()
    this.pieceDone()
  }
}
