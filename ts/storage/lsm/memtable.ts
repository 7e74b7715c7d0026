// The newest commits, sorted in memory: a skip list of versions (Pugh, "Skip Lists", CACM 1990), and range tombstones.
//
// Versions are added and never removed, so a cursor may go on while others write: what was added meanwhile has a higher
// sequence than the cursor looks at. Keys and values lie in chunks that are filled one behind the other.
import { compareBytes } from '../compare.ts'
import { type Entry, EntryKind, type VersionCursor } from './entry.ts'
import type { KeySpan } from './internal-key.ts'
import { combine } from './operand.ts'
import { RangeTombstones } from './range-tombstones.ts'

const CHUNK_BYTES = 256 * 1024
const MAX_HEIGHT = 12
/** One node in so many is one level higher. */
const BRANCHING = 4
/** About what a version takes beside its key and value. */
const NODE_BYTES = 160
/** No node: the end of a level. The head is node 0. */
const NONE = 0
const HEAD = 0
const NOTHING = new Uint8Array(0)

export class Memtable {
  readonly tombstones = new RangeTombstones()
  /** About the memory it takes. */
  bytes = 0
  /** Bytes of the keys and values in it, without what it takes to find them. */
  contentBytes = 0
  /** Versions in it. */
  entryCount = 0
  /** The last commit that wrote to it; 0 if none did. */
  lastSequence = 0

  private chunk = NOTHING
  private chunkUsed = 0
  // Of each node: its bytes, the length of the key that they begin with, sequence and kind, and where its links begin.
  private readonly bytesOf: Uint8Array[] = [NOTHING]
  private readonly keyLengthOf: number[] = [0]
  private readonly sequenceOf: number[] = [0]
  private readonly kindOf: EntryKind[] = [EntryKind.delete]
  private readonly towerOf: number[] = [0]
  /** Of each node, one link a level, the lowest first. */
  private readonly links: number[] = new Array(MAX_HEIGHT).fill(NONE)
  private height = 1
  private dice = 0x2545f491
  private readonly path: number[] = new Array(MAX_HEIGHT).fill(HEAD)

  /** Adds a version; copies the bytes. One of the same commit and key becomes what the two come to. */
  add(entry: Entry): void {
    const { key, sequence } = entry
    const found = this.seek(key, sequence, this.path)
    const isKnown = found !== NONE && this.sequenceOf[found] === sequence && this.compareKey(found, key) === 0
    const { kind, value } = isKnown ? combine(this.entryOf(found), entry) : entry
    const bytes = this.store(key, value)
    this.lastSequence = sequence
    this.bytes += bytes.length
    this.contentBytes += bytes.length
    if (isKnown) {
      this.bytesOf[found] = bytes
      this.kindOf[found] = kind
      return
    }
    this.entryCount++
    this.bytes += NODE_BYTES
    const node = this.bytesOf.length
    const height = this.throwHeight()
    this.bytesOf.push(bytes)
    this.keyLengthOf.push(key.length)
    this.sequenceOf.push(sequence)
    this.kindOf.push(kind)
    this.towerOf.push(this.links.length)
    while (this.height < height) this.path[this.height++] = HEAD
    for (let level = 0; level < height; level++) {
      const before = (this.towerOf[this.path[level] as number] as number) + level
      this.links.push(this.links[before] as number)
      this.links[before] = node
    }
  }

  /** Deletes every older version of the keys in `span`. */
  addTombstone(span: KeySpan, sequence: number): void {
    this.lastSequence = sequence
    this.bytes += NODE_BYTES + span.start.length + span.end.length
    this.tombstones.add({ ...span, sequence })
  }

  /** The newest version of `key` that is not newer than `sequence`. */
  find(key: Uint8Array, sequence: number): Entry | undefined {
    const node = this.seek(key, sequence)
    return node !== NONE && this.compareKey(node, key) === 0 ? this.entryOf(node) : undefined
  }

  /** Those of `key` that are not newer than `sequence`, the newest first. */
  *versions(key: Uint8Array, sequence: number): Generator<Entry, void> {
    for (let node = this.seek(key, sequence); node !== NONE && this.compareKey(node, key) === 0; node = this.next(node))
      yield this.entryOf(node)
  }

  /** Walks over the versions of `span`. */
  cursor(span: KeySpan, reverse: boolean): VersionCursor {
    return new MemtableCursor(this, span, reverse)
  }

  // -- for its cursors ----------------------------------------------------------------------------------------------

  /** The first node at or behind (`key`, `sequence`), 0 if there is none. @param path - Gets the nodes before it. */
  seek(key: Uint8Array, sequence: number, path?: number[]): number {
    let node = HEAD
    for (let level = this.height - 1; level >= 0; level--) {
      for (;;) {
        const next = this.links[(this.towerOf[node] as number) + level] as number
        if (next === NONE || !this.isBefore(next, key, sequence)) break
        node = next
      }
      if (path !== undefined) path[level] = node
    }
    return this.next(node)
  }

  /** The last node before every version of `key`, 0 if there is none. */
  seekBefore(key: Uint8Array): number {
    let node = HEAD
    for (let level = this.height - 1; level >= 0; level--) {
      for (;;) {
        const next = this.links[(this.towerOf[node] as number) + level] as number
        if (next === NONE || this.compareKey(next, key) >= 0) break
        node = next
      }
    }
    return node
  }

  /** The last node before `node` in order. */
  previous(node: number): number {
    const { key, sequence } = this.entryOf(node)
    this.seek(key, sequence, this.path)
    return this.path[0] as number
  }

  next(node: number): number {
    return this.links[this.towerOf[node] as number] as number
  }

  entryOf(node: number): Entry {
    const bytes = this.bytesOf[node] as Uint8Array
    const keyLength = this.keyLengthOf[node] as number
    return {
      key: bytes.subarray(0, keyLength),
      sequence: this.sequenceOf[node] as number,
      kind: this.kindOf[node] as EntryKind,
      value: bytes.subarray(keyLength),
    }
  }

  // -- inside -------------------------------------------------------------------------------------------------------

  private isBefore(node: number, key: Uint8Array, sequence: number): boolean {
    const order = this.compareKey(node, key)
    return order < 0 || (order === 0 && (this.sequenceOf[node] as number) > sequence)
  }

  private compareKey(node: number, key: Uint8Array): number {
    const bytes = this.bytesOf[node] as Uint8Array
    const keyLength = this.keyLengthOf[node] as number
    const shared = Math.min(keyLength, key.length)
    for (let i = 0; i < shared; i++) {
      const difference = (bytes[i] as number) - (key[i] as number)
      if (difference !== 0) return difference
    }
    return keyLength - key.length
  }

  private store(key: Uint8Array, value: Uint8Array): Uint8Array {
    const length = key.length + value.length
    if (this.chunkUsed + length > this.chunk.length) {
      this.chunk = new Uint8Array(Math.max(length, CHUNK_BYTES))
      this.chunkUsed = 0
    }
    const bytes = this.chunk.subarray(this.chunkUsed, this.chunkUsed + length)
    bytes.set(key)
    bytes.set(value, key.length)
    this.chunkUsed += length
    return bytes
  }

  /** The same heights in every run: chance only has to be independent of the keys. */
  private throwHeight(): number {
    let height = 1
    for (;;) {
      this.dice ^= this.dice << 13
      this.dice ^= this.dice >>> 17
      this.dice ^= this.dice << 5
      if (height === MAX_HEIGHT || (this.dice >>> 0) % BRANCHING !== 0) return height
      height++
    }
  }
}

class MemtableCursor implements VersionCursor {
  private readonly memtable: Memtable
  private readonly span: KeySpan
  private readonly reverse: boolean
  private node: number | undefined
  private current: Entry | undefined

  constructor(memtable: Memtable, span: KeySpan, reverse: boolean) {
    this.memtable = memtable
    this.span = span
    this.reverse = reverse
  }

  get entry(): Entry {
    return this.current as Entry
  }

  step(): boolean {
    const { memtable, span, reverse } = this
    if (this.node === NONE) return false
    if (reverse) this.node = this.node === undefined ? memtable.seekBefore(span.end) : memtable.previous(this.node)
    else
      this.node =
        this.node === undefined ? memtable.seek(span.start, Number.POSITIVE_INFINITY) : memtable.next(this.node)
    if (this.node === NONE) return false
    this.current = memtable.entryOf(this.node)
    const { key } = this.current
    if (reverse ? compareBytes(key, span.start) >= 0 : compareBytes(key, span.end) < 0) return true
    this.node = NONE
    return false
  }
}
