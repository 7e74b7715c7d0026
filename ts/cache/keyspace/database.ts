// One database: keys, their values and when they expire. Entries lie side by side as in IndexedMap, so that SCAN misses nothing
// and RANDOMKEY is fair.
import { Cut, Cuts } from './cut.ts'
import { type Expiry, ExpiryHeap } from './expiry-heap.ts'
import { scanPositions } from './indexed-map.ts'
import { MemoryMeter, objectBytes, SLOT_BYTES, stringBytes, TABLE_BYTES } from './memory.ts'
import { Usage, type UsageRules } from './usage.ts'
import { bytesOf, type Value } from './values.ts'

/** A key without its text and its value: the entry and its places in the table, among the entries, and in their usage. */
const KEY_BYTES = objectBytes(5) + TABLE_BYTES + 2 * SLOT_BYTES
/** The expiry of a key, with its place in the heap. */
const EXPIRY_BYTES = objectBytes(3) + 16 + SLOT_BYTES
/** What an entry costs is kept in units of 8 bytes, so that it stays a small integer. */
const UNIT_BYTES = 8

/** A key and what belongs to it. */
export interface Entry {
  readonly key: string
  value: Value
  /** Where it lies among the entries of its database. */
  position: number
  /** What key and value cost in memory, as it was counted last, in units of 8 bytes. */
  units: number
  expiry: Expiry<Entry> | undefined
}

/** Whoever has to know what happens to keys. */
export interface DatabaseListener {
  /** A key was looked for that is not there. */
  missed(database: Database, key: string): void
  /** A key was added. */
  added(database: Database, key: string): void
  /** The key's value was set, changed or deleted. */
  changed(database: Database, key: string): void
  /** A key was deleted because its time had come. */
  expired(database: Database, key: string): void
}

/** Whoever keeps an order of its own over all keys. */
export interface KeyIndex {
  added(key: string): void
  removed(key: string): void
  /** All keys are gone. */
  cleared(): void
}

/** Keys are strings with one character of 0 to 255 a byte; any of them is a plain key, `__proto__` too. */
export class Database {
  /** The number that SELECT gives; SWAPDB exchanges it. */
  index: number
  /** The present, milliseconds since 1970; whoever calls sets it. */
  now = 0
  /** False while time stands still for expiry: a replica deletes keys only when its master says so. */
  deletesExpired = true
  /** True while nothing may change: keys that are due are not seen, and deleted later. */
  isPaused = false
  /** Set before the first key is; SWAPDB does not go with it. */
  keyIndex: KeyIndex | undefined
  /** True while what is replayed was decided elsewhere: then keys are there until they are deleted, whatever the time. */
  seesExpired = false
  #entries = new Map<string, Entry>()
  #dense: Entry[] = []
  #expiries = new ExpiryHeap<Entry>()
  #cuts: Cuts<Entry> | undefined
  readonly #listener: DatabaseListener
  readonly #usage: Usage
  readonly #meter: MemoryMeter
  /** What all entries cost, and the one that was found last: mostly it is the one that is told to have changed. */
  #units = 0
  #found: Entry | undefined

  /** @param meter - Counts the bytes of several databases. */
  constructor(index: number, listener: DatabaseListener, rules: UsageRules, meter = new MemoryMeter()) {
    this.index = index
    this.#listener = listener
    this.#usage = new Usage(rules)
    this.#meter = meter
  }

  /** What its keys and values cost in memory: the sum of `bytesOf` over all entries. */
  get bytes(): number {
    return this.#units * UNIT_BYTES
  }

  get size(): number {
    return this.#dense.length
  }

  /** How many keys will expire. */
  get expiringCount(): number {
    return this.#expiries.size
  }

  /** The entry of a key that has not expired. One that has is deleted. O(1). */
  find(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry !== undefined && (entry.expiry === undefined || !this.#isExpired(entry))) {
      this.#found = entry
      this.#cuts?.touch(entry)
      return entry
    }
    this.#listener.missed(this, key)
    return undefined
  }

  /** The entry of a key, whether it has expired or not, without any effect. */
  peek(key: string): Entry | undefined {
    return this.#entries.get(key)
  }

  /** Whether there is such a key that has not expired, without any effect. */
  has(key: string): boolean {
    const entry = this.#entries.get(key)
    return entry !== undefined && (entry.expiry === undefined || entry.expiry.at >= this.now)
  }

  /** The same for commands that use the key: it counts as used now. */
  use(key: string): Entry | undefined {
    const entry = this.find(key)
    if (entry !== undefined) this.#usage.used(entry.position, this.now)
    return entry
  }

  /** Gives a key a value; what it had, its expiry too, is gone unless `keepsExpiry`. */
  set(key: string, value: Value, keepsExpiry = false): Entry {
    const entry = this.find(key)
    if (entry === undefined) return this.add(key, value)
    entry.value = value
    // Whoever keeps the expiry has read the value before, which was a use.
    if (!keepsExpiry) {
      this.#usage.used(entry.position, this.now)
      this.persist(entry)
    }
    this.#weigh(entry)
    this.#listener.changed(this, key)
    return entry
  }

  /** Adds a key that is not there. */
  add(key: string, value: Value): Entry {
    // Where nothing is deleted for its time, what has expired may still lie there.
    const stale = this.#deletes ? undefined : this.#entries.get(key)
    if (stale !== undefined) this.#remove(stale)
    const entry = this.#insert(key, value)
    this.#listener.added(this, key)
    this.#listener.changed(this, key)
    return entry
  }

  /** Tells that the value of a key was changed in place. */
  touch(key: string): void {
    this.weigh(key)
    this.#listener.changed(this, key)
  }

  /** @returns False if there is no such key, or its time had come. */
  delete(key: string): boolean {
    const entry = this.find(key)
    if (entry === undefined) return false
    this.#remove(entry)
    return true
  }

  /** Deletes an entry of this database, whether its time had come or not. */
  evict(entry: Entry): void {
    this.#remove(entry)
  }

  /** @param at - Milliseconds since 1970. */
  expire(entry: Entry, at: number): void {
    if (entry.expiry === undefined) {
      entry.expiry = this.#expiries.add(at, entry)
      this.#weigh(entry)
    } else this.#expiries.move(entry.expiry, at)
  }

  /** @returns False if it had no expiry. */
  persist(entry: Entry): boolean {
    if (entry.expiry === undefined) return false
    this.#expiries.remove(entry.expiry)
    entry.expiry = undefined
    this.#weigh(entry)
    return true
  }

  /** Deletes at most `budget` keys whose time has come, the earliest first. @returns How many. */
  expireDue(budget: number): number {
    let count = 0
    while (count < budget) {
      const first = this.#expiries.first()
      if (first === undefined || first.at >= this.now || !this.#deletes) break
      this.#expire(first.owner)
      count++
    }
    return count
  }

  /** The first time at which a key has to be deleted; undefined if none has to be, ever. */
  nextExpiry(): number | undefined {
    const first = this.#expiries.first()
    return first === undefined || !this.#deletes ? undefined : first.at + 1
  }

  /** The entry at a position below `size`, whether it has expired or not. */
  entryAt(position: number): Entry {
    return this.#dense[position] as Entry
  }

  /** True if the entry belongs to this database and was not deleted. */
  holds(entry: Entry): boolean {
    return this.#dense[entry.position] === entry
  }

  /** One of the `expiringCount` entries that will expire, in no order that means anything. */
  expiringAt(place: number): Entry {
    return this.#expiries.peek(place).owner
  }

  firstToExpire(): Entry | undefined {
    return this.#expiries.first()?.owner
  }

  // Memory and usage.

  /** Counts anew what a key costs whose value has another size and yet counts as unchanged. O(1); O(groups) of a stream. */
  weigh(key: string): void {
    const entry = this.#found?.key === key ? this.#found : this.#entries.get(key)
    if (entry !== undefined) this.#weigh(entry)
  }

  /** What a key and its value cost in memory. */
  bytesOf(entry: Entry): number {
    return entry.units * UNIT_BYTES
  }

  /** The sum of all entries, counted anew: for tests. O(size). */
  recount(): number {
    return this.#dense.reduce((sum, entry) => sum + costOf(entry) * UNIT_BYTES, 0)
  }

  /** Milliseconds since a key was used. */
  idleMsOf({ position }: Entry, now = this.now): number {
    return this.#usage.idleMs(position, now)
  }

  /** How often a key was used of late, 0 to 255, on a scale of logarithms; means something only where uses are counted. */
  frequencyOf({ position }: Entry, now = this.now): number {
    return this.#usage.frequency(position, now)
  }

  /** Remembers of a key what another server knew. */
  restoreUsage({ position }: Entry, known: { readonly idleMs?: number; readonly frequency?: number }): void {
    this.#usage.restore(position, this.now, known)
  }

  /** What eviction compares: the key of the smallest goes first. */
  worthOf({ position }: Entry): number {
    return this.#usage.worth(position, this.now)
  }

  /** To be called when the rules of usage have changed. */
  adaptUsage(): void {
    this.#usage.adapt(this.size, this.now)
  }

  /** All entries that have not expired, a list of its own. Deletes none. */
  entries(): Entry[] {
    return this.#dense.filter(({ expiry }) => expiry === undefined || expiry.at >= this.now)
  }

  /** See IndexedMap.scan. Visits entries that have expired as well. */
  scan(cursor: number, count: number, visit: (entry: Entry) => void): number {
    return scanPositions(this.size, cursor, count, (position) => visit(this.#dense[position] as Entry))
  }

  /**
   * Adds a key as a file or a master has it: nobody is told.
   * @returns False if it is there already.
   */
  load(key: string, value: Value, expiresAtMs: number | undefined): boolean {
    if (this.#entries.has(key)) return false
    const entry = this.#insert(key, value)
    if (expiresAtMs !== undefined) this.expire(entry, expiresAtMs)
    return true
  }

  /**
   * Begins to write down what there is now, see cut.ts. Several may be under way.
   * @param write - Called once for each entry, before it changes.
   */
  cut(write: (entry: Entry) => void): Cut<Entry> {
    const cut = new Cut(this.#dense, write)
    this.#cuts = this.#cuts?.with(cut) ?? new Cuts([cut])
    return cut
  }

  /** The end of a cut, whether all was written or not. */
  endCut(cut: Cut<Entry>): void {
    this.#cuts = this.#cuts?.without(cut)
  }

  /** Deletes every key. @returns How many there were. */
  clear(): number {
    const removed = this.#dense
    this.#entries = new Map()
    this.#dense = []
    this.#expiries = new ExpiryHeap()
    this.keyIndex?.cleared()
    this.#usage.clear()
    this.#found = undefined
    this.#count(-this.#units)
    this.#cuts = undefined // they go on with what there was
    for (const { key } of removed) this.#listener.changed(this, key)
    return removed.length
  }

  #insert(key: string, value: Value): Entry {
    const entry: Entry = { key, value, position: this.#dense.length, units: 0, expiry: undefined }
    this.#entries.set(key, entry)
    this.#dense.push(entry)
    this.keyIndex?.added(key)
    this.#cuts?.added(entry.position)
    this.#usage.added(entry.position, this.now)
    this.#found = entry
    this.#weigh(entry)
    return entry
  }

  /** True if its time has come; then it is deleted, where this database may. As in Redis a key still lives in the millisecond it expires at. */
  #isExpired(entry: Entry): boolean {
    if (this.seesExpired || (entry.expiry as Expiry<Entry>).at >= this.now) return false
    if (this.#deletes) this.#expire(entry)
    return true
  }

  get #deletes(): boolean {
    return this.deletesExpired && !this.isPaused
  }

  #expire(entry: Entry): void {
    this.#remove(entry)
    this.#listener.expired(this, entry.key)
  }

  #remove(entry: Entry): void {
    if (entry.expiry !== undefined) this.#expiries.remove(entry.expiry)
    this.#cuts?.touch(entry)
    this.#entries.delete(entry.key)
    this.keyIndex?.removed(entry.key)
    const last = this.#dense.pop() as Entry
    if (last !== entry) {
      this.#cuts?.moved(last.position, entry.position)
      this.#dense[entry.position] = last
      this.#usage.moved(last.position, entry.position)
      last.position = entry.position
    }
    this.#count(-entry.units)
    this.#found = undefined
    this.#listener.changed(this, entry.key)
  }

  /** Counts what an entry costs now. */
  #weigh(entry: Entry): void {
    const units = costOf(entry)
    this.#count(units - entry.units)
    entry.units = units
  }

  #count(units: number): void {
    this.#units += units
    this.#meter.bytes += units * UNIT_BYTES
  }
}

/** In units of 8 bytes. */
function costOf({ key, value, expiry }: Entry): number {
  const bytes = KEY_BYTES + stringBytes(key) + bytesOf(value) + (expiry === undefined ? 0 : EXPIRY_BYTES)
  return Math.ceil(bytes / UNIT_BYTES)
}
