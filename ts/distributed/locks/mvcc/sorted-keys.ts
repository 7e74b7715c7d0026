// An ordered set of keys: a list of short sorted lists. A key is found by two binary searches, and to insert one moves at most
// the keys of one short list.
import type { Key } from '../types.ts'

/** A list this long is cut in two. */
const MAX_CHUNK = 512

/** Keys in the order of their bytes. */
export class SortedKeys {
  /** Invariant: none is empty, each is sorted, and all of one come before all of the next. */
  readonly #chunks: Key[][] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Adds a key that is not there. O(log n + MAX_CHUNK). */
  add(key: Key): void {
    this.#size++
    const at = Math.min(this.#chunkOf(key), this.#chunks.length - 1)
    const chunk = this.#chunks[at]
    if (chunk === undefined) {
      this.#chunks.push([key])
      return
    }
    chunk.splice(lowerBound(chunk, key), 0, key)
    if (chunk.length > MAX_CHUNK) this.#chunks.splice(at + 1, 0, chunk.splice(MAX_CHUNK / 2))
  }

  /** Removes a key; one that is not there is fine. */
  delete(key: Key): void {
    const at = this.#chunkOf(key)
    const chunk = this.#chunks[at]
    if (chunk === undefined) return
    const index = lowerBound(chunk, key)
    if (chunk[index] !== key) return
    this.#size--
    chunk.splice(index, 1)
    if (chunk.length === 0) this.#chunks.splice(at, 1)
  }

  /** The keys from `from` on and before `end`, in order; without `end` all to the last. No key may be added meanwhile. */
  *range(from: Key, end: Key | undefined): Generator<Key> {
    let at = this.#chunkOf(from)
    let index = lowerBound(this.#chunks[at] ?? [], from)
    for (; at < this.#chunks.length; at++, index = 0) {
      const chunk = this.#chunks[at] as Key[]
      for (; index < chunk.length; index++) {
        const key = chunk[index] as Key
        if (end !== undefined && key >= end) return
        yield key
      }
    }
  }

  /** The first list whose last key is not below `key`; the number of lists if there is none. */
  #chunkOf(key: Key): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const chunk = this.#chunks[middle] as Key[]
      if ((chunk.at(-1) as Key) < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

function lowerBound(keys: readonly Key[], key: Key): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keys[middle] as Key) < key) low = middle + 1
    else high = middle
  }
  return low
}
