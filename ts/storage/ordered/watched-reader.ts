// Reading under observation: what a transaction has read of its snapshot.
import type { ByteReader, ByteWalk } from './byte-reader.ts'
import type { ByteRange, WalkRange } from './range.ts'

/** Told of every read. */
export interface ReadObserver {
  readKey(tree: string, key: Uint8Array): void
  /** The range may grow afterwards: as far as a walk has come. */
  readRange(tree: string, range: ByteRange): void
}

/** Notes every read of the snapshot. */
export function watched(reader: ByteReader, tree: string, watch: ReadObserver): ByteReader {
  return {
    get(key) {
      watch.readKey(tree, key)
      return reader.get(key)
    },
    has(key) {
      watch.readKey(tree, key)
      return reader.has(key)
    },
    async getAsync(key) {
      watch.readKey(tree, key)
      return await reader.getAsync(key)
    },
    walk: (range) => new WatchedWalk(reader.walk(range), range, (read) => watch.readRange(tree, read)),
  }
}

/** A walk that has read as far as it came: from its start to the last key it gave, or to the range's end. */
class WatchedWalk implements ByteWalk {
  private readonly walk: ByteWalk
  private readonly range: WalkRange
  private readonly read: { -readonly [Name in keyof ByteRange]: ByteRange[Name] }
  private readonly note: (range: ByteRange) => void
  private noted = false

  constructor(walk: ByteWalk, range: WalkRange, note: (range: ByteRange) => void) {
    this.walk = walk
    this.range = range
    this.note = note
    const { lower, lowerInclusive, upper, upperInclusive } = range
    this.read = { lower, lowerInclusive, upper, upperInclusive }
  }

  next(): boolean {
    return this.reached(this.walk.next())
  }

  async nextAsync(): Promise<boolean> {
    return this.reached(await this.walk.nextAsync())
  }

  key(): Uint8Array {
    return this.walk.key()
  }

  value(): Uint8Array {
    return this.walk.value()
  }

  valueAsync(): Promise<Uint8Array> {
    return this.walk.valueAsync()
  }

  close(): void {
    this.walk.close()
  }

  private reached(found: boolean): boolean {
    const { range, read } = this
    if (range.reverse) {
      read.lower = found ? this.walk.key() : range.lower
      read.lowerInclusive = found || range.lowerInclusive
    } else {
      read.upper = found ? this.walk.key() : range.upper
      read.upperInclusive = found || range.upperInclusive
    }
    if (!this.noted) this.note(read)
    this.noted = true
    return found
  }
}
