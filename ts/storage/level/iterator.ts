// Iterators of a Level database. Entries are read in the calling thread, by the engine's own walk, which takes them from the
// store in blocks; keys and values come out of it in the format that was asked for.
import { AbstractIterator, type AbstractIteratorOptions } from 'abstract-level'
import { BedplateError } from '../../base/errors.ts'
import { realClock } from '../../io/clock.ts'
import { contains } from '../ordered/range.ts'
import type { KeyRange, OrderedReader } from '../ordered-store.ts'
import { boundsOf, byteRangeOf, bytesOf, type Format, type Formatted } from './formats.ts'

/** So many entries are given in one turn of the event loop: then others get theirs. */
const ENTRIES_A_TURN = 1000

/** What abstract-level gives `_iterator`. */
export interface IteratorOptions extends KeyRange<Formatted> {
  keyEncoding: Format
  valueEncoding: Format
  reverse: boolean
  /** -1: none. */
  limit: number
  values: boolean
  signal?: AbortSignal | undefined
}

type Entry = [Formatted, Formatted]

/** Where an iterator reads. */
export interface IteratorSource {
  /** Asked for when a walk begins: abstract-level sees to it that a snapshot is open by then. */
  reader(): OrderedReader<Formatted, Formatted>
  /** Gives back what was held for it. */
  close(): void
}

export class LevelIterator<Database, K, V> extends AbstractIterator<Database, K, V> {
  private readonly source: IteratorSource
  private readonly keyFormat: Format
  private readonly bounds: KeyRange<Formatted>
  private readonly reverse: boolean
  private readonly signal: AbortSignal | undefined
  /** What is left of the bounds after the last `seek`; undefined: nothing. */
  private range: KeyRange<Formatted> | undefined
  /** Begun by the first read, and anew by the first after a `seek`. */
  private walk: Iterator<Entry> | undefined
  private entriesThisTurn = 0

  constructor(database: Database, options: IteratorOptions, source: IteratorSource) {
    super(database, options as unknown as AbstractIteratorOptions<K, V>)
    this.source = source
    this.keyFormat = options.keyEncoding
    this.bounds = boundsOf(options)
    this.range = this.bounds
    this.reverse = options.reverse
    this.signal = options.signal
  }

  /** No promise where none is needed: whoever walks entry by entry pays for each. */
  protected _next(): Entry | undefined | Promise<Entry | undefined> {
    return this.mustPause() ? this.pause().then(() => this.step()) : this.step()
  }

  protected async _nextv(size: number): Promise<Entry[]> {
    const entries: Entry[] = []
    while (entries.length < size) {
      if (this.mustPause()) await this.pause()
      const entry = this.step()
      if (entry === undefined) break
      entries.push(entry)
    }
    return entries
  }

  /** Goes on at `target`, or at the first key behind it; a target outside of the bounds leads to the end. */
  protected _seek(target: Formatted): void {
    const isWithin = contains(byteRangeOf(this.bounds), bytesOf(target))
    const range = isWithin ? boundsFrom(this.bounds, this.asKey(target), this.reverse) : undefined
    this.leaveWalk()
    this.range = range
  }

  protected async _close(): Promise<void> {
    this.leaveWalk()
    this.source.close()
  }

  private step(): Entry | undefined {
    if (this.range === undefined) return undefined
    this.walk ??= this.begin(this.range)
    this.entriesThisTurn++
    const { done, value } = this.walk.next()
    return done === true ? undefined : value
  }

  private begin(range: KeyRange<Formatted>): Iterator<Entry> {
    const { reverse, limit, count } = this
    return this.source
      .reader()
      .range({ ...range, reverse, limit: limit - count })
      [Symbol.iterator]()
  }

  private leaveWalk(): void {
    this.walk?.return?.()
    this.walk = undefined
  }

  /** True if others want their turn, or if somebody may have changed his mind meanwhile. */
  private mustPause(): boolean {
    return this.entriesThisTurn >= ENTRIES_A_TURN || this.signal !== undefined
  }

  private async pause(): Promise<void> {
    if (this.entriesThisTurn >= ENTRIES_A_TURN) {
      this.entriesThisTurn = 0
      await realClock.turn()
    } else await undefined
    if (this.signal?.aborted) throw new AbortError(this.signal.reason)
  }

  /** A key in the format of this iterator. */
  private asKey(target: Formatted): Formatted {
    if (this.keyFormat !== 'utf8') return bytesOf(target)
    return typeof target === 'string' ? target : textOf(target)
  }
}

/** What is left of `bounds` from `start` on, which lies within them. */
function boundsFrom(bounds: KeyRange<Formatted>, start: Formatted, reverse: boolean): KeyRange<Formatted> {
  return boundsOf(reverse ? { ...bounds, lte: start } : { ...bounds, gte: start })
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw new BedplateError(
      'INVALID_INPUT',
      'the target of a seek is no UTF-8, and the keys of this iterator are text',
      {
        cause: error,
        hint: "make the iterator with keyEncoding 'buffer'",
      },
    )
  }
}

/** What Level's own iterators throw once their signal says so; abstract-level does not export its class. */
class AbortError extends Error {
  readonly code = 'LEVEL_ABORTED'
  override readonly name = 'AbortError'

  constructor(reason: unknown) {
    super('Operation has been aborted', { cause: reason })
  }
}
