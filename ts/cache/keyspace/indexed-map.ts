// The table of fields, members and keys: a hash map whose entries also lie side by side, so that a random one is found in O(1)
// and a cursor is a position.
//
// A scan goes from the end to the beginning, and its cursor says how many entries lie before it. An entry that is deleted is
// replaced by the last one: that one has been seen if it lay behind the cursor, and stays unseen if it lay before. New entries
// are added at the end. So an entry that is there from the first call of a scan to its last is reported at least once, whatever
// else is added and deleted, as Redis promises of SCAN.
import { ARRAY_BYTES, objectBytes, SLOT_BYTES, stringBytes, TABLE_BYTES } from './memory.ts'

/** Up to here entries are found by looking at each; there are many small tables, so they take no more memory than they need. */
const LINEAR_COUNT = 32
/** Up to here they keep their order when one is deleted, as in Redis's listpacks. */
const ORDERED_COUNT = 128
const OWN_BYTES = objectBytes(4) + ARRAY_BYTES

/** A map from strings, each one once. A value is a string, a number, or nothing at all. */
export class IndexedMap<V extends string | number | undefined> {
  #keys: string[] = []
  /** Undefined as long as no entry has a value, as in sets. */
  #values: V[] | undefined
  #positions: Map<string, number> | undefined
  /** What keys and values cost beside their places. */
  #contentBytes = 0

  get size(): number {
    return this.#keys.length
  }

  /** What it costs in memory, about. O(1). */
  get bytes(): number {
    const count = this.#keys.length
    const lists = this.#values === undefined ? 1 : 2
    // Small arrays have no more slots than entries; see `appended`.
    const slotBytes = this.#positions === undefined ? 8 : SLOT_BYTES
    const tableBytes = this.#positions === undefined ? 0 : TABLE_BYTES
    return OWN_BYTES + (lists - 1) * ARRAY_BYTES + this.#contentBytes + count * (lists * slotBytes + tableBytes)
  }

  has(key: string): boolean {
    return this.#find(key) !== -1
  }

  get(key: string): V | undefined {
    const position = this.#find(key)
    return position === -1 ? undefined : this.#values?.[position]
  }

  /** @returns True if the key is new. */
  set(key: string, value: V): boolean {
    const position = this.#find(key)
    if (position !== -1) {
      const values = this.#values
      if (values !== undefined) {
        this.#contentBytes += bytesOf(value) - bytesOf(values[position] as V)
        values[position] = value
      }
      return false
    }
    this.#contentBytes += stringBytes(key) + bytesOf(value)
    this.#positions?.set(key, this.#keys.length)
    this.#keys = appended(this.#keys, key)
    if (value !== undefined) this.#values = appended(this.#values ?? [], value)
    if (this.#positions === undefined && this.#keys.length > LINEAR_COUNT) {
      this.#positions = new Map(this.#keys.map((each, index) => [each, index]))
    }
    return true
  }

  /** O(1); O(size) while there are few, to keep their order. @returns False if it was not there. */
  delete(key: string): boolean {
    const position = this.#find(key)
    if (position === -1) return false
    const keys = this.#keys
    const values = this.#values
    this.#contentBytes -= stringBytes(key) + bytesOf(values?.[position])
    this.#positions?.delete(key)
    if (keys.length <= ORDERED_COUNT) {
      keys.splice(position, 1)
      values?.splice(position, 1)
      if (this.#positions !== undefined) {
        for (let i = position; i < keys.length; i++) this.#positions.set(keys[i] as string, i)
      }
      return true
    }
    const lastKey = keys.pop() as string
    const lastValue = values?.pop()
    if (position < keys.length) {
      keys[position] = lastKey
      if (values !== undefined) values[position] = lastValue as V
      this.#positions?.set(lastKey, position)
    }
    return true
  }

  /** The key at a position below `size`. */
  keyAt(position: number): string {
    return this.#keys[position] as string
  }

  valueAt(position: number): V {
    return this.#values?.[position] as V
  }

  /** All keys; holds until the next change. */
  keys(): readonly string[] {
    return this.#keys
  }

  /** All values, in the order of their keys; holds until the next change. None where there are only keys. */
  values(): readonly V[] {
    return this.#values ?? []
  }

  /**
   * Visits about `count` entries.
   * @param cursor - 0 to begin, else what the last call returned.
   * @returns The next cursor, 0 at the end.
   */
  scan(cursor: number, count: number, visit: (position: number) => void): number {
    return scanPositions(this.size, cursor, count, visit)
  }

  clone(): IndexedMap<V> {
    const copy = new IndexedMap<V>()
    for (let i = 0; i < this.#keys.length; i++) copy.set(this.keyAt(i), this.valueAt(i))
    return copy
  }

  #find(key: string): number {
    return this.#positions === undefined ? this.#keys.indexOf(key) : (this.#positions.get(key) ?? -1)
  }
}

/**
 * The array with one element more. V8 makes room for 16 more when an array grows, which is too much for the many that stay small:
 * those are copied, which leaves none over.
 */
function appended<T>(array: T[], element: T): T[] {
  if (array.length < LINEAR_COUNT) return array.length === 0 ? [element] : array.concat([element])
  array.push(element)
  return array
}

/** A step of a scan over `size` positions, from the last to the first. See the top of this file. */
export function scanPositions(size: number, cursor: number, count: number, visit: (position: number) => void): number {
  let position = cursor === 0 || cursor > size ? size : cursor
  for (let left = count; left > 0 && position > 0; left--) visit(--position)
  return position
}

/** What a value costs beside its slot; arrays keep numbers in their slots. */
function bytesOf(value: string | number | undefined): number {
  return typeof value === 'string' ? stringBytes(value) : 0
}
