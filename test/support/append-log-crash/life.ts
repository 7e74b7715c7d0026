// One append log on one disk, with everything it promised: which logs a crash at any point may leave follows from that.
import type { CrashVariant } from '../../../ts/io/crash-image.ts'
import type { Random } from '../../../ts/io/random.ts'
import type { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import { openReadOnlyLog, openWritableLog } from '../../../ts/storage/append-log/open.ts'
import type { ReadOnlyAppendLog } from '../../../ts/storage/append-log/read-only-log.ts'
import type { WritableLog } from '../../../ts/storage/append-log/writable-log.ts'
import type { Mutant } from '../../../ts/storage/log/mutant.ts'
import type { Durability } from '../../../ts/storage/log/types.ts'
import { LOG_PATH, POLL_MS, readAll } from '../append-log.ts'
import { must } from '../log-crash/life.ts'
import { ManualClock } from '../manual-clock.ts'

/** How the log is opened. */
export interface LogSettings {
  durability: Durability
  firstSegmentBytes: number
  maxSegmentBytes: number
}

/** What a life depends on. */
export interface LifeOptions {
  settings: LogSettings
  /** For names and uuids. */
  random: Random
  mutant?: Mutant | undefined
}

/** What may be found: one of these sequences from offset 0 on, from one of these offsets on. */
export interface Expectation {
  readonly states: readonly (readonly string[])[]
  readonly starts: ReadonlySet<number>
  /** There may be no log at all: it was being made. */
  readonly mayBeMissing: boolean
}

export const NOTHING: Expectation = { states: [[]], starts: new Set([0]), mayBeMissing: true }

/** A change, and how long the disk's history was before it. */
type Change = { readonly at: number } & (
  | { readonly kind: 'append'; readonly texts: readonly string[] }
  | { readonly kind: 'cutEnd'; readonly nextOffset: number }
)

/** From this point of the history on, so many changes are safe from `power` cuts, or only from a `kill`. */
interface Promised {
  readonly at: number
  readonly changes: number
  readonly from: 'power' | 'kill'
}

/** What may be found after a power cut, and after the process alone was killed. */
type Before = Readonly<Record<Promised['from'], Expectation>>

/** The time from one opening to the next. */
interface Era {
  readonly openedAt: number
  readonly before: Before
  /** The log as it was opened, and since when that is certain. */
  found: { at: number; records: readonly string[]; firstOffset: number } | undefined
  readonly changes: Change[]
  readonly promises: Promised[]
  readonly starts: { readonly begunAt: number; doneAt: number; readonly offset: number }[]
}

export class LogLife {
  readonly disk: SimulatedDisk
  readonly clock = new ManualClock()
  private readonly settings: LogSettings
  private readonly random: Random
  private readonly mutant: Mutant | undefined
  private readonly eras: Era[] = []
  /** The records as they are now, each with the number of changes up to its own. */
  private records: { text: string; change: number }[] = []
  private log!: WritableLog
  private reader: ReadOnlyAppendLog | undefined

  private constructor(disk: SimulatedDisk, { settings, random, mutant }: LifeOptions) {
    this.disk = disk
    this.settings = settings
    this.random = random
    this.mutant = mutant
  }

  /** Opens what is on `disk`. @throws Violation if it is not what `before` allows; whatever opening throws. */
  static async begin(disk: SimulatedDisk, options: LifeOptions, before: Expectation): Promise<LogLife> {
    const life = new LogLife(disk, options)
    await life.open({ power: before, kill: before })
    return life
  }

  get nextOffset(): number {
    return this.log.nextOffset
  }

  get firstOffset(): number {
    return this.log.firstOffset
  }

  /** What an image of this disk may show, if the power fails after `point` effects of its history. */
  expectationAt(point: number, variant: CrashVariant): Expectation {
    // With everything unsynced kept, it is as if the process had been killed.
    const from = variant === 'all' ? 'kill' : 'power'
    const era = this.eras.findLast(({ openedAt }) => openedAt <= point) as Era
    const { found, before, changes, promises, starts } = era
    if (found === undefined || point < found.at) return before[from]
    const counts = promises.filter((one) => one.at <= point && (one.from === 'power' || from === 'kill'))
    const floor = Math.max(0, ...counts.map((one) => one.changes))
    const state = [...found.records]
    const states: string[][] = floor === 0 ? [[...state]] : []
    for (const [i, change] of changes.entries()) {
      if (change.at > point) break
      if (change.kind === 'append') state.push(...change.texts)
      else state.length = change.nextOffset
      if (i + 1 >= floor) states.push([...state])
    }
    const done = starts.filter(({ doneAt }) => doneAt <= point).map(({ offset }) => offset)
    const first = Math.max(found.firstOffset, ...done)
    const begun = starts.filter(({ begunAt, offset }) => begunAt <= point && offset > first)
    return { states, starts: new Set([first, ...begun.map(({ offset }) => offset)]), mayBeMissing: false }
  }

  // -- what can be done to a log --------------------------------------------------------------------------------

  append(texts: readonly string[]): void {
    this.era.changes.push({ at: this.now, kind: 'append', texts })
    const changes = this.era.changes.length
    const first = this.records.length
    for (const text of texts) this.records.push({ text, change: changes })
    const done = this.log.append(texts.map((text) => Buffer.from(text)))
    const { durability } = this.settings
    if (durability === 'memory') return
    const from = durability === 'sync' ? 'power' : 'kill'
    const unknown = (): void => {} // the log was abandoned: nothing was promised
    void done.then((offset) => {
      must(offset === first, `the record at offset ${first} was given ${offset}`)
      this.promise(changes, from)
    }, unknown)
  }

  async flush(): Promise<void> {
    const changes = this.era.changes.length
    await this.log.flushed()
    must(this.log.durableOffset <= this.log.nextOffset, 'more is durable than is there')
    this.promise(changes, 'power')
  }

  /** Cuts the end off. Waits only if told to. */
  async truncateAfter(offset: number, isAwaited: boolean): Promise<void> {
    this.era.changes.push({ at: this.now, kind: 'cutEnd', nextOffset: offset + 1 })
    const changes = this.era.changes.length
    this.records.length = offset + 1
    const done = this.log.truncateAfter(offset)
    must(this.log.nextOffset === offset + 1, 'a truncation shows at once')
    must(this.log.readableOffset <= offset + 1, 'what was cut off can still be read')
    const promised = done.then(
      () => this.promise(changes, 'power'),
      () => {}, // the log was abandoned: nothing was promised
    )
    if (isAwaited) await promised
  }

  async truncateBefore(offset: number): Promise<void> {
    const start = { begunAt: this.now, doneAt: Number.POSITIVE_INFINITY, offset }
    this.era.starts.push(start)
    await this.log.truncateBefore(offset)
    start.doneAt = this.now
    must(this.log.firstOffset >= offset, 'a beginning that did not move')
  }

  /** Looks from beside: what is seen there must be right, and with `sync` it must stay. */
  look(): void {
    this.reader ??= this.openReader()
    this.reader.refresh()
    this.checkReading(this.reader)
    this.checkReading(this.log)
  }

  /** The same while the records are written and their sync has not ended. */
  async lookDuringSync(texts: readonly string[]): Promise<void> {
    this.disk.manualSyncs = true
    this.append(texts)
    await this.turns(2)
    this.look()
    this.disk.manualSyncs = false
    while (this.disk.pendingSyncs.length > 0) this.disk.completeSync()
  }

  async turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.clock.turn()
  }

  fireTimers(): void {
    this.clock.advance(1_000_000)
  }

  async close(): Promise<void> {
    const changes = this.era.changes.length
    await this.log.close()
    this.promise(changes, 'power')
    await this.endReader()
  }

  /** Ends as a killed process does; what the kernel has stays. */
  async abandon(): Promise<void> {
    this.log.abandon()
    await this.endReader()
  }

  /** Opens again, after `close` or `abandon`. */
  async reopen(): Promise<void> {
    await this.open({ power: this.expectationAt(this.now, 'none'), kill: this.expectationAt(this.now, 'all') })
  }

  // -- opening --------------------------------------------------------------------------------------------------

  private async open(before: Before): Promise<void> {
    const era: Era = { openedAt: this.now, before, found: undefined, changes: [], promises: [], starts: [] }
    this.eras.push(era)
    const expected = before.kill
    const isThere = this.disk.kind(LOG_PATH) === 'directory'
    must(isThere || expected.mayBeMissing, 'the log is gone')
    const seen = isThere ? this.seenFirst() : undefined
    this.log = await openWritableLog({
      disk: this.disk,
      clock: this.clock,
      random: this.random,
      path: LOG_PATH,
      create: expected.mayBeMissing,
      retention: {},
      mutant: this.mutant,
      ...this.settings,
    })
    const { firstOffset, nextOffset, durableOffset } = this.log
    must(durableOffset === nextOffset, `opened with ${nextOffset} records, but only ${durableOffset} durable`)
    const texts = readAll(this.log, firstOffset, 100_000)
    const records = matching(expected, texts, firstOffset)
    if (seen !== undefined) {
      must(seen.firstOffset === firstOffset, `a reader saw the log begin at ${seen.firstOffset}, not ${firstOffset}`)
      const same = seen.texts.every((text, i) => text === texts[i])
      must(same, `a reader saw records to ${firstOffset + seen.texts.length}; then other ones up to ${nextOffset} came`)
    }
    this.records = records.map((text) => ({ text, change: 0 }))
    era.found = { at: this.now, records, firstOffset }
  }

  /** What a reader sees before any writer has been there. */
  private seenFirst(): { firstOffset: number; texts: string[] } {
    const reader = this.openReader()
    try {
      return { firstOffset: reader.firstOffset, texts: readAll(reader, reader.firstOffset, 100_000) }
    } finally {
      void reader.close()
    }
  }

  private openReader(): ReadOnlyAppendLog {
    return openReadOnlyLog({ disk: this.disk, clock: this.clock, path: LOG_PATH, mutant: this.mutant }, POLL_MS)
  }

  private async endReader(): Promise<void> {
    await this.reader?.close()
    this.reader = undefined
  }

  private checkReading(log: WritableLog | ReadOnlyAppendLog): void {
    const texts = readAll(log, log.firstOffset, 100_000)
    const end = log.firstOffset + texts.length
    must(log.firstOffset === this.log.firstOffset, 'the log begins elsewhere for a reader')
    must(end === log.readableOffset && end <= this.records.length, `${end} of ${this.records.length} records are read`)
    for (const [i, text] of texts.entries()) {
      must(text === this.records[log.firstOffset + i]?.text, `the record at ${log.firstOffset + i} is another one`)
    }
    const { durability } = this.settings
    const newest = this.records[end - 1]
    if (durability === 'sync' && newest !== undefined) this.promise(newest.change, 'power')
  }

  private promise(changes: number, from: 'power' | 'kill'): void {
    this.era.promises.push({ at: this.now, changes, from })
  }

  private get era(): Era {
    return this.eras.at(-1) as Era
  }

  private get now(): number {
    return this.disk.history.length
  }
}

/** The state that was found, from offset 0 on. */
function matching({ states, starts }: Expectation, texts: readonly string[], firstOffset: number): readonly string[] {
  must(starts.has(firstOffset), `the log begins at ${firstOffset} instead of ${[...starts].join(' or ')}`)
  const end = firstOffset + texts.length
  const state = states.find((one) => one.length === end && texts.every((text, i) => text === one[firstOffset + i]))
  const lengths = [...new Set(states.map(({ length }) => length))].join(', ')
  must(state !== undefined, `records from ${firstOffset} to ${end} were found; allowed ends: ${lengths}`)
  return state
}
