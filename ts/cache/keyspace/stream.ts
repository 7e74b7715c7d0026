// A stream: entries in the order of their IDs, and consumer groups that remember what they have been given.

import { DEFAULT_ENCODING_LIMITS } from './encoding.ts'
import { ARRAY_BYTES, NUMBER_BYTES, objectBytes, SLOT_BYTES, stringBytes, TABLE_BYTES } from './memory.ts'
import { SortedSet } from './sorted-set.ts'
import { type StreamId, ZERO_ID } from './stream-id.ts'

/** How many pending entries are taken out of the order at a time. */
const CHUNK = 1000
/** Up to so many entries are deleted one by one. */
const MAX_SPLICED = 16
const ID_BYTES = 32
const OWN_BYTES = objectBytes(8) + ARRAY_BYTES + 200
const ENTRY_BYTES = objectBytes(2) + ID_BYTES + ARRAY_BYTES + SLOT_BYTES
/** A pending entry, with its places in the two lists that it is in. */
const PENDING_BYTES = objectBytes(4) + ID_BYTES + NUMBER_BYTES + 2 * (2 * TABLE_BYTES + 4 * SLOT_BYTES)
/** A list of pending entries without any, and whose it is: an object and a table of its own. */
const OWNER_BYTES = 800

export interface StreamEntry {
  readonly id: StreamId
  /** Fields and values in turn. */
  readonly fields: readonly string[]
}

/** An entry that was delivered and not acknowledged. */
export interface Pending {
  readonly id: StreamId
  consumer: Consumer
  /** Milliseconds since 1970. */
  deliveredAtMs: number
  deliveryCount: number
}

/** Pending entries by ID, in order. */
export class PendingList {
  readonly #byId = new Map<StreamId, Pending>()
  /** All with the score 0: so they are ordered by ID. */
  readonly #order = new SortedSet()

  get size(): number {
    return this.#byId.size
  }

  get(id: StreamId): Pending | undefined {
    return this.#byId.get(id)
  }

  set(pending: Pending): void {
    this.#byId.set(pending.id, pending)
    this.#order.set(pending.id, 0, DEFAULT_ENCODING_LIMITS)
  }

  delete(id: StreamId): boolean {
    if (!this.#byId.delete(id)) return false
    return this.#order.delete(id)
  }

  /** Those from `from` on, in order, a thousand at a time; the list must not change meanwhile. */
  *from(from: StreamId): Generator<Pending, void> {
    const first = this.#order.countBefore((_, id) => id < from)
    for (let start = first; start < this.size; start += CHUNK) {
      for (const id of this.#order.slice(start, Math.min(this.size, start + CHUNK))) yield this.#byId.get(id) as Pending
    }
  }

  /** At most `count` of those from `from` on, a list of its own. */
  slice(from: StreamId, count: number): Pending[] {
    const start = this.#order.countBefore((_, id) => id < from)
    const ids = this.#order.slice(start, Math.min(this.size, start + count))
    return ids.map((id) => this.#byId.get(id) as Pending)
  }

  first(): Pending | undefined {
    return this.slice(ZERO_ID, 1)[0]
  }

  last(): Pending | undefined {
    return this.size === 0 ? undefined : this.#byId.get(this.#order.at(this.size - 1))
  }
}

export interface Consumer {
  readonly name: string
  seenAtMs: number
  readonly pending: PendingList
}

export interface Group {
  lastId: StreamId
  /** How many entries it has read of all that were ever added; undefined if that cannot be known. */
  entriesRead: number | undefined
  readonly pending: PendingList
  readonly consumers: Map<string, Consumer>
}

/** See the top of this file. */
export class Stream {
  readonly type = 'stream'
  /** Those before `#first` are trimmed away. */
  #entries: StreamEntry[] = []
  #first = 0
  lastId: StreamId = ZERO_ID
  maxDeletedId: StreamId = ZERO_ID
  entriesAdded = 0
  /** How many were trimmed: Redis's nodes lie where they were filled, whatever of them is trimmed. */
  #trimmed = 0
  readonly groups = new Map<string, Group>()
  #entriesBytes = 0

  /** What it costs in memory, about. O(groups). */
  get bytes(): number {
    let bytes = OWN_BYTES + this.#entriesBytes
    for (const { pending, consumers } of this.groups.values()) {
      bytes += OWNER_BYTES * (1 + consumers.size) + PENDING_BYTES * pending.size
    }
    return bytes
  }

  get length(): number {
    return this.#entries.length - this.#first
  }

  /** The ID of the first entry, 0-0 if there is none. */
  get firstId(): StreamId {
    return this.length === 0 ? ZERO_ID : this.at(0).id
  }

  /** The entry at an index below `length`. */
  at(index: number): StreamEntry {
    return this.#entries[this.#first + index] as StreamEntry
  }

  /** Appends an entry, whose ID must be above `lastId`. */
  append(entry: StreamEntry): void {
    this.#entries.push(entry)
    this.#entriesBytes += bytesOf(entry)
    this.lastId = entry.id
    this.entriesAdded++
  }

  /** How many entries have IDs below `id`. O(log n). */
  countBelow(id: StreamId): number {
    let low = 0
    let high = this.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.at(middle).id < id) low = middle + 1
      else high = middle
    }
    return low
  }

  get(id: StreamId): StreamEntry | undefined {
    const index = this.countBelow(id)
    const entry = index < this.length ? this.at(index) : undefined
    return entry?.id === id ? entry : undefined
  }

  /** Deletes the entries of these IDs that are there. O(length + ids x log length), however many. @returns How many there were. */
  delete(ids: readonly StreamId[]): number {
    const gone = new Set(ids.filter((id) => this.get(id) !== undefined))
    for (const id of gone) {
      if (id > this.maxDeletedId) this.maxDeletedId = id
      this.#entriesBytes -= bytesOf(this.get(id) as StreamEntry)
    }
    if (gone.size <= MAX_SPLICED) {
      // V8 moves what lies behind at the speed of memory, which is fast for a few but not for thousands.
      for (const id of gone) this.#entries.splice(this.#first + this.countBelow(id), 1)
    } else {
      this.#entries = this.#entries.slice(this.#first).filter(({ id }) => !gone.has(id))
      this.#first = 0
    }
    return gone.size
  }

  /**
   * How many of the first `most` entries lie in nodes of `nodeEntries` that may go as a whole. The last node may have few, and the first
   * has lost what was trimmed of it; those that lost entries in their middle are taken for full.
   */
  wholeNodes(most: number, nodeEntries: number): number {
    if (most === this.length) return most
    const first = nodeEntries - (this.#trimmed % nodeEntries)
    return most < first ? 0 : most - ((most - first) % nodeEntries)
  }

  /** Deletes the first `count` entries. O(count). */
  trim(count: number): void {
    this.#trimmed += count
    for (let i = 0; i < count; i++) this.#entriesBytes -= bytesOf(this.at(i))
    this.#first += count
    if (this.#first < this.#entries.length / 2) return
    this.#entries = this.#entries.slice(this.#first)
    this.#first = 0
  }

  clone(): Stream {
    const copy = new Stream()
    copy.#entries = this.#entries.slice(this.#first)
    copy.#entriesBytes = this.#entriesBytes
    copy.lastId = this.lastId
    copy.maxDeletedId = this.maxDeletedId
    copy.entriesAdded = this.entriesAdded
    copy.#trimmed = this.#trimmed
    for (const [name, group] of this.groups) copy.groups.set(name, cloneGroup(group))
    return copy
  }

  /**
   * How many of all entries ever added have IDs up to `id`, for the lag of groups; undefined where deletions have made that
   * unknown (t_stream.c, streamEstimateDistanceFromFirstEverEntry).
   */
  countEverUpTo(id: StreamId): number | undefined {
    if (this.entriesAdded === 0) return 0
    if (this.length === 0 && id <= this.lastId) return this.entriesAdded
    if (id === this.lastId) return this.entriesAdded
    if (id > this.lastId) return undefined
    const first = this.firstId
    if (this.maxDeletedId !== ZERO_ID && this.maxDeletedId >= first) return undefined
    if (id < first) return this.entriesAdded - this.length
    return id === first ? this.entriesAdded - this.length + 1 : undefined
  }

  /** True if an entry between `from` and `to` may have been deleted, so that counting up from one to the other is wrong. */
  hasGap(from: StreamId, to: StreamId): boolean {
    if (this.length === 0 || this.maxDeletedId < this.firstId) return false
    return from <= this.maxDeletedId && this.maxDeletedId <= to
  }
}

export function makeGroup(lastId: StreamId, entriesRead: number | undefined): Group {
  return { lastId, entriesRead, pending: new PendingList(), consumers: new Map() }
}

function bytesOf({ fields }: StreamEntry): number {
  let bytes = ENTRY_BYTES + 8 * fields.length
  for (const field of fields) bytes += stringBytes(field)
  return bytes
}

function cloneGroup(group: Group): Group {
  const copy = makeGroup(group.lastId, group.entriesRead)
  for (const { name, seenAtMs } of group.consumers.values()) {
    copy.consumers.set(name, { name, seenAtMs, pending: new PendingList() })
  }
  for (const pending of group.pending.from(ZERO_ID)) {
    const consumer = copy.consumers.get(pending.consumer.name) as Consumer
    const copied = { ...pending, consumer }
    copy.pending.set(copied)
    consumer.pending.set(copied)
  }
  return copy
}
