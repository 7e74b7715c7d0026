// Entries that may be read before they are committed, over what is on disk: in the mode `async` a node shows what is on its own
// disk, and a new leader may cut it back. Then the overlay loses its end, and what was executed for good is as it was.
import type { Write } from './command.ts'
import type { KeyRange } from './records.ts'

interface Shown {
  readonly index: number
  readonly writes: readonly Write[]
}

/** The newest shown write of a key. */
interface Latest extends Write {
  readonly index: number
}

/** Its size is bounded by the commands that a leader has uncommitted: see `maxUncommittedBytes` of Raft. */
export class Overlay {
  #shown: Shown[] = []
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
    return this.#latest.size === 0 ? undefined : this.#latest.get(nameOf(key))
  }

  /** Shows one entry more. */
  push(index: number, writes: readonly Write[]): void {
    this.#shown.push({ index, writes })
    this.#put(index, writes)
  }

  /** Entries up to `index` are executed: what is on disk has them. */
  pass(index: number): void {
    let count = 0
    for (const entry of this.#shown) {
      if (entry.index > index) break
      count++
      for (const { key } of entry.writes) {
        const name = nameOf(key)
        if ((this.#latest.get(name)?.index ?? Number.POSITIVE_INFINITY) > index) continue
        this.#latest.delete(name)
        this.#sorted = undefined
      }
    }
    if (count > 0) this.#shown = this.#shown.slice(count)
  }

  /** Entries from `index` on were cut back: they are as if they had never been. */
  cut(index: number): void {
    this.#shown = this.#shown.filter((entry) => entry.index < index)
    this.#latest.clear()
    this.#sorted = undefined
    for (const { index: at, writes } of this.#shown) this.#put(at, writes)
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

  #put(index: number, writes: readonly Write[]): void {
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
