// Entries that may be read before they are committed, over what is on disk: in the mode `async` a node shows what is on its own
// disk, and a new leader may cut it back. Then the overlay loses its end, and what was executed for good is as it was.
import type { KeyRange } from './records.ts'
import type { Write, WriteList } from './write-list.ts'

interface Shown {
  readonly index: number
  readonly writes: WriteList
}

/** The newest shown write of a key. */
interface Latest extends Write {
  readonly index: number
}

/** Its size is bounded by the commands that a leader has uncommitted: see `maxUncommittedBytes` of Raft. */
export class Overlay {
  #shown: Shown[] = []
  /** Those of `#shown` that are in `#latest`: the others are looked at when somebody reads. Most are executed before that. */
  #indexedCount = 0
  /** By key, as Latin-1: its order is that of the bytes. */
  readonly #latest = new Map<string, Latest>()
  #sorted: string[] | undefined

  /** Entries that are shown and not executed. */
  get count(): number {
    return this.#shown.length
  }

  /** The last entry that is shown; 0 if there is none. */
  get lastIndex(): number {
    return this.#shown.at(-1)?.index ?? 0
  }

  /** The newest write of a key; undefined if no shown entry has one. */
  find(key: Uint8Array): Write | undefined {
    this.#index()
    return this.#latest.size === 0 ? undefined : this.#latest.get(nameOf(key))
  }

  /** Shows one entry more. */
  push(index: number, writes: WriteList): void {
    this.#shown.push({ index, writes })
  }

  /** Entries up to `index` are executed: what is on disk has them. */
  pass(index: number): void {
    let count = 0
    for (const entry of this.#shown) {
      if (entry.index > index) break
      count++
      if (count > this.#indexedCount) continue
      for (const { key } of entry.writes) {
        const name = nameOf(key)
        if ((this.#latest.get(name)?.index ?? Number.POSITIVE_INFINITY) > index) continue
        this.#latest.delete(name)
        this.#sorted = undefined
      }
    }
    if (count === 0) return
    this.#shown = this.#shown.slice(count)
    this.#indexedCount = Math.max(0, this.#indexedCount - count)
  }

  /** Entries from `index` on were cut back: they are as if they had never been. */
  cut(index: number): void {
    this.#shown = this.#shown.filter((entry) => entry.index < index)
    this.#latest.clear()
    this.#sorted = undefined
    this.#indexedCount = 0
  }

  /** Lays the shown writes in a range over `entries`, which are in order and in that range. */
  *over(
    entries: Iterable<readonly [Uint8Array, Uint8Array]>,
    range: KeyRange,
  ): Generator<readonly [Uint8Array, Uint8Array]> {
    const writes = this.#writesIn(range)
    let next = writes.next()
    for (const entry of entries) {
      let isReplaced = false
      for (; !next.done; next = writes.next()) {
        const order = Buffer.compare(next.value.key, entry[0])
        if (order > 0) break
        if (order === 0) isReplaced = true
        if (next.value.value !== undefined) yield [next.value.key, next.value.value]
      }
      if (!isReplaced) yield entry
    }
    for (; !next.done; next = writes.next()) {
      if (next.value.value !== undefined) yield [next.value.key, next.value.value]
    }
  }

  *#writesIn({ gt, gte, lt, lte, prefix }: KeyRange): Generator<Write> {
    this.#index()
    this.#sorted ??= [...this.#latest.keys()].sort()
    for (const name of this.#sorted) {
      if (prefix !== undefined && !name.startsWith(nameOf(prefix))) continue
      if (gt !== undefined && name <= nameOf(gt)) continue
      if (gte !== undefined && name < nameOf(gte)) continue
      if (lt !== undefined && name >= nameOf(lt)) continue
      if (lte !== undefined && name > nameOf(lte)) continue
      yield this.#latest.get(name) as Latest
    }
  }

  #index(): void {
    for (const { index, writes } of this.#shown.slice(this.#indexedCount)) this.#put(index, writes)
    this.#indexedCount = this.#shown.length
  }

  #put(index: number, writes: WriteList): void {
    for (const { key, value } of writes) {
      const name = nameOf(key)
      if (!this.#latest.has(name)) this.#sorted = undefined
      this.#latest.set(name, { index, key, value })
    }
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
