// One log on one disk, with everything it promised: what a crash at any point may leave of it follows from that.
import type { Clock } from '../../../ts/io/clock.ts'
import type { CrashVariant } from '../../../ts/io/crash-image.ts'
import type { Random } from '../../../ts/io/random.ts'
import type { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'
import type { Mutant } from '../../../ts/storage/log/mutant.ts'
import { openLogWithout } from '../../../ts/storage/log/open.ts'
import type { Durability, Log } from '../../../ts/storage/log/types.ts'

export const DIRECTORY = '/store'
const UUID = Uint8Array.from({ length: 16 }, (_, i) => 17 * i + 3)

/** Thrown when the log does what it must not. */
class Violation extends Error {}

/** How the log is opened. */
export interface LogSettings {
  durability: Durability
  firstSegmentBytes: number
  maxSegmentBytes: number
}

/** What must be found: the records up to some position from `floor` to `ceiling`; those up to `kept` may be gone. */
export interface Expectation {
  readonly records: readonly string[]
  readonly floor: number
  readonly ceiling: number
  readonly kept: number
}

/** What a directory without a log holds. */
export const NOTHING: Expectation = { records: [], floor: 0, ceiling: 0, kept: 0 }

/** What happened, and how long the disk's history was then. */
type Event = { readonly at: number } & (
  | { readonly kind: 'appended'; readonly record: string }
  | { readonly kind: 'found' | 'durable' | 'acknowledged' | 'kept'; readonly position: number }
)

/** Time in which no timer fires, unless `fireTimers` is called. */
class StillClock implements Clock {
  private readonly timers = new Set<() => void>()

  now(): number {
    return 0
  }

  monotonic(): number {
    return 0
  }

  timer(_afterMs: number, fire: () => void): () => void {
    this.timers.add(fire)
    return () => void this.timers.delete(fire)
  }

  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  fireTimers(): void {
    const due = [...this.timers]
    this.timers.clear()
    for (const fire of due) fire()
  }
}

export class LogLife {
  readonly disk: SimulatedDisk
  private readonly settings: LogSettings
  private readonly mutant: Mutant | undefined
  private readonly before: Expectation
  private readonly clock = new StillClock()
  private readonly events: Event[] = []
  private records: string[]
  private kept: number
  private log!: Log

  private constructor(disk: SimulatedDisk, settings: LogSettings, before: Expectation, mutant?: Mutant) {
    this.disk = disk
    this.settings = settings
    this.before = before
    this.mutant = mutant
    this.records = [...before.records]
    this.kept = before.kept
  }

  /** Opens what is on `disk`. @throws Violation if it is not what `before` allows; whatever opening throws. */
  static async begin(
    disk: SimulatedDisk,
    settings: LogSettings,
    before: Expectation,
    mutant?: Mutant,
  ): Promise<LogLife> {
    const life = new LogLife(disk, settings, before, mutant)
    await life.open(before)
    return life
  }

  get position(): number {
    return this.log.lastPosition
  }

  /** What an image of this disk may show, if the power fails after `point` effects of its history. */
  expectationAt(point: number, variant: CrashVariant): Expectation {
    const records = [...this.before.records]
    let { floor, ceiling, kept } = this.before
    // With everything unsynced kept, it is as if the process had been killed.
    const isKill = variant === 'all'
    for (const event of this.events) {
      if (event.at > point) break
      if (event.kind === 'appended') ceiling = records.push(event.record)
      else if (event.kind === 'kept') kept = event.position
      else if (event.kind === 'found') {
        records.length = event.position
        ceiling = event.position
        floor = event.position
      } else if (event.kind === 'durable' || isKill) floor = Math.max(floor, event.position)
    }
    return { records, floor, ceiling, kept }
  }

  // -- what can be done to a log --------------------------------------------------------------------------------

  append(record: string): void {
    const bytes = Buffer.from(record)
    this.log.reserve(bytes.length)
    this.note({ kind: 'appended', record })
    const position = this.log.append(bytes)
    must(position === this.records.push(record), `record ${this.records.length} was numbered ${position}`)
    const { durability } = this.settings
    const kind = durability === 'sync' ? 'durable' : durability === 'memory' ? undefined : 'acknowledged'
    if (kind === undefined) return
    const unknown = (): void => {} // the log was abandoned: nothing was promised
    void this.log.acknowledged.then(() => this.note({ kind, position }), unknown)
  }

  async flush(): Promise<void> {
    const { position } = this
    await this.log.flushed()
    must(this.log.durablePosition >= position, 'flushed() resolved before the position was durable')
    this.note({ kind: 'durable', position })
  }

  async acknowledged(): Promise<void> {
    await this.log.acknowledged
  }

  hold(): void {
    this.log.hold()
  }

  release(): void {
    this.log.release()
  }

  /** As if the owner had made a checkpoint at the last durable record: nothing up to it is needed any more. */
  discard(): void {
    this.kept = this.log.durablePosition
    this.note({ kind: 'kept', position: this.kept })
    this.log.discardUpTo(this.kept)
  }

  async turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.clock.turn()
  }

  fireTimers(): void {
    this.clock.fireTimers()
  }

  async close(): Promise<void> {
    const { position } = this
    await this.log.close()
    this.note({ kind: 'durable', position })
  }

  /** Ends as a killed process does; what the kernel has stays. */
  abandon(): void {
    this.log.abandon()
  }

  /** Opens again, after `close` or `abandon`. */
  async reopen(): Promise<void> {
    await this.open(this.expectationAt(this.disk.history.length, 'all'))
  }

  private async open(expected: Expectation): Promise<void> {
    const found: string[] = []
    this.log = await openLogWithout(this.mutant, {
      disk: this.disk,
      clock: this.clock,
      directory: DIRECTORY,
      uuid: UUID,
      keptElsewhere: this.kept,
      replay: (position, record) => {
        must(position === this.kept + found.length + 1, `record ${position} came after ${this.kept + found.length}`)
        found.push(Buffer.from(record).toString())
      },
      ...this.settings,
    })
    const last = this.log.lastPosition
    must(last === this.kept + found.length, `${last} is the last position, but ${found.length} were replayed`)
    must(last >= expected.floor, `lost: records up to ${expected.floor} had been promised, ${last} came back`)
    must(last <= expected.ceiling, `invented: ${last} records came back of ${expected.ceiling}`)
    for (const [i, record] of found.entries()) {
      const position = this.kept + i + 1
      must(record === expected.records[position - 1], `record ${position} is not what was written`)
    }
    must(this.log.durablePosition === last, `opened with ${last} records, but only ${this.log.durablePosition} durable`)
    this.records = expected.records.slice(0, last)
    this.note({ kind: 'found', position: last })
  }

  private note(event: EventContent): void {
    this.events.push({ ...event, at: this.disk.history.length } as Event)
  }
}

type EventContent = Event extends infer Each ? (Each extends Event ? Omit<Each, 'at'> : never) : never

export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Violation(message)
}

/** A whole number from 0 to below `bound`. */
export function below(random: Random, bound: number): number {
  return Math.floor(random.next() * bound)
}
