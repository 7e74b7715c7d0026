// Which revisions of which keys there are: all in memory, as etcd has it, and built anew from the backend at start.
import { assert } from '../../../base/errors.ts'
import type { Key } from '../types.ts'
import { SortedKeys } from './sorted-keys.ts'

/** A place in the history: the revision of a request, and the number of the change within it. */
export interface Revision {
  readonly main: number
  readonly sub: number
}

/** One change of one key. */
export interface Change extends Revision {
  /** True if it deleted the key. */
  readonly isDeletion: boolean
  /** Bytes that the backend keeps for it. */
  readonly sizeBytes: number
}

/** The keys from `key` on and before `end`; `'one'`: the key alone, `'all'`: all from it on. */
export interface Span {
  readonly key: Key
  readonly end: Key | 'one' | 'all'
}

/**
 * The span that a request means. No end is one key, an end of one zero byte is all keys from `key` on.
 * A span whose end is not behind its key is empty.
 */
export function spanOf(key: Key, rangeEnd: Key): Span {
  if (rangeEnd === '') return { key, end: 'one' }
  return { key, end: rangeEnd === '\0' ? 'all' : rangeEnd }
}

/** True if `key` lies in the span. */
export function contains({ key: first, end }: Span, key: Key): boolean {
  if (end === 'one') return key === first
  return key >= first && (end === 'all' || key < end)
}

/** The revisions of every key. */
export class KeyIndex {
  readonly #sorted = new SortedKeys()
  readonly #changes = new Map<Key, Change[]>()

  /** Keys with any history. */
  get size(): number {
    return this.#sorted.size
  }

  /** Appends a change, later than all before it. */
  append(key: Key, change: Change): void {
    const changes = this.#changes.get(key)
    if (changes === undefined) {
      this.#changes.set(key, [change])
      this.#sorted.add(key)
      return
    }
    const last = changes.at(-1) as Change
    assert(
      last.main < change.main || (last.main === change.main && last.sub < change.sub),
      'changes of a key are appended in order',
    )
    changes.push(change)
  }

  /** Takes back the last change of a key. */
  takeBack(key: Key): void {
    const changes = this.#changes.get(key) as Change[]
    changes.pop()
    if (changes.length === 0) this.#remove(key)
  }

  /** The change that says what `key` is at main revision `at`; undefined if there is no such key then. O(log n). */
  find(key: Key, at: number): Change | undefined {
    const changes = this.#changes.get(key)
    if (changes === undefined) return undefined
    const change = changes[countUpTo(changes, at) - 1]
    return change?.isDeletion === false ? change : undefined
  }

  /** The keys of a span that exist at main revision `at`, in order, each with its change. */
  *walk(span: Span, at: number): Generator<readonly [Key, Change]> {
    if (span.end === 'one') {
      const change = this.find(span.key, at)
      if (change !== undefined) yield [span.key, change]
      return
    }
    for (const key of this.#sorted.range(span.key, span.end === 'all' ? undefined : span.end)) {
      const change = this.find(key, at)
      if (change !== undefined) yield [key, change]
    }
  }

  /**
   * Finds what nobody can ask for any more once nothing before `at` may be read: of each key all changes up to `at` but the
   * last, and that too if it is a deletion. O(keys).
   */
  obsolete(at: number): { key: Key; changes: Change[] }[] {
    const found: { key: Key; changes: Change[] }[] = []
    for (const [key, changes] of this.#changes) {
      const count = countUpTo(changes, at)
      if (count === 0) continue
      const keptFrom = changes[count - 1]?.isDeletion === true ? count : count - 1
      if (keptFrom > 0) found.push({ key, changes: changes.slice(0, keptFrom) })
    }
    return found
  }

  /** Forgets the first `count` changes of a key. */
  forget(key: Key, count: number): void {
    const changes = this.#changes.get(key) as Change[]
    changes.splice(0, count)
    if (changes.length === 0) this.#remove(key)
  }

  #remove(key: Key): void {
    this.#changes.delete(key)
    this.#sorted.delete(key)
  }
}

/** How many changes have a main revision up to `at`. */
function countUpTo(changes: readonly Change[], at: number): number {
  // Most questions are about now.
  if ((changes.at(-1) as Change).main <= at) return changes.length
  let low = 0
  let high = changes.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((changes[middle] as Change).main <= at) low = middle + 1
    else high = middle
  }
  return low
}
