import type { EncodingLimits } from './encoding.ts'
import { IndexedMap } from './indexed-map.ts'
import { objectBytes } from './memory.ts'
import { parseInteger } from './numbers.ts'

const OWN_BYTES = objectBytes(3)

/** Members without order. As in Redis, one of whole numbers alone is an intset and lists them in ascending order. */
export class MemberSet {
  readonly type = 'set'
  encoding: 'intset' | 'hashtable' = 'intset'
  #members = new IndexedMap<undefined>()

  /** What it costs in memory, about. O(1). */
  get bytes(): number {
    return OWN_BYTES + this.#members.bytes
  }

  get size(): number {
    return this.#members.size
  }

  has(member: string): boolean {
    return this.#members.has(member)
  }

  /** @returns True if it is new. */
  add(member: string, limits: EncodingLimits): boolean {
    if (!this.#members.set(member, undefined)) return false
    if (this.encoding === 'intset') {
      const isTooLarge = this.#members.size > limits.setMaxIntsetEntries
      if (isTooLarge || parseInteger(member) === undefined) this.encoding = 'hashtable'
    }
    return true
  }

  delete(member: string): boolean {
    return this.#members.delete(member)
  }

  /** The member at a position below `size`, in no order. */
  at(position: number): string {
    return this.#members.keyAt(position)
  }

  /** All members; holds until the next change. */
  members(): readonly string[] {
    const members = this.#members.keys()
    return this.encoding === 'intset' ? [...members].sort(compareIntegers) : members
  }

  scan(cursor: number, count: number, visit: (position: number) => void): number {
    return this.#members.scan(cursor, count, visit)
  }

  clone(): MemberSet {
    const copy = new MemberSet()
    copy.encoding = this.encoding
    copy.#members = this.#members.clone()
    return copy
  }
}

/** Orders whole numbers by value, beyond 53 bits too: fewer digits are less, equally many compare as texts. */
function compareIntegers(a: string, b: string): number {
  const [isNegative, isOtherNegative] = [a.startsWith('-'), b.startsWith('-')]
  if (isNegative !== isOtherNegative) return isNegative ? -1 : 1
  const order = a.length === b.length ? (a < b ? -1 : a > b ? 1 : 0) : a.length - b.length
  return isNegative ? -order : order
}
