// The table of fields, members and keys: a hash map whose entries also lie side by side, so that a random one is found in O(1)
// and a cursor is a position.
//
// A scan goes from the end to the beginning, and its cursor says how many entries lie before it. An entry that is deleted is
// replaced by the last one: that one has been seen if it lay behind the cursor, and stays unseen if it lay before. New entries
// are added at the end. So an entry that is there from the first call of a scan to its last is reported at least once, whatever
// else is added and deleted, as Redis promises of SCAN.

/** Up to here entries are found by looking at each, and keep their order when one is deleted, as in Redis's listpacks. */
const LINEAR_COUNT = 8
const ORDERED_COUNT = 128

/** A map from strings, each one once. */
export class IndexedMap<V> {
  readonly #keys: string[] = []
  readonly #values: V[] = []
  #positions: Map<string, number> | undefined

  get size(): number {
    return this.#keys.length
  }

  has(key: string): boolean {
    return this.#find(key) !== -1
  }

  get(key: string): V | undefined {
    const position = this.#find(key)
    return position === -1 ? undefined : this.#values[position]
  }

  /** @returns True if the key is new. */
  set(key: string, value: V): boolean {
    const position = this.#find(key)
    if (position !== -1) {
      this.#values[position] = value
      return false
    }
    this.#positions?.set(key, this.#keys.length)
    this.#keys.push(key)
    this.#values.push(value)
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
    this.#positions?.delete(key)
    if (keys.length <= ORDERED_COUNT) {
      keys.splice(position, 1)
      values.splice(position, 1)
      if (this.#positions !== undefined) {
        for (let i = position; i < keys.length; i++) this.#positions.set(keys[i] as string, i)
      }
      return true
    }
    const lastKey = keys.pop() as string
    const lastValue = values.pop() as V
    if (position < keys.length) {
      keys[position] = lastKey
      values[position] = lastValue
      this.#positions?.set(lastKey, position)
    }
    return true
  }

  /** The key at a position below `size`. */
  keyAt(position: number): string {
    return this.#keys[position] as string
  }

  valueAt(position: number): V {
    return this.#values[position] as V
  }

  /** All keys; holds until the next change. */
  keys(): readonly string[] {
    return this.#keys
  }

  values(): readonly V[] {
    return this.#values
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

/** A step of a scan over `size` positions, from the last to the first. See the top of this file. */
export function scanPositions(size: number, cursor: number, count: number, visit: (position: number) => void): number {
  let position = cursor === 0 || cursor > size ? size : cursor
  for (let left = count; left > 0 && position > 0; left--) visit(--position)
  return position
}
