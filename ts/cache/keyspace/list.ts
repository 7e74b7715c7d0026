// A list as a ring in one array: both ends in O(1), any index in O(1), where Redis's quicklist walks its nodes.
import { ARRAY_BYTES, objectBytes, stringBytes } from './memory.ts'

const FIRST_CAPACITY = 4
const OWN_BYTES = objectBytes(5) + ARRAY_BYTES

/** A list of strings. Indexes count from 0 and must be within it. */
export class List {
  readonly type = 'list'
  #ring: (string | undefined)[] = new Array<string | undefined>(FIRST_CAPACITY).fill(undefined)
  #first = 0
  #length = 0
  /** What the elements cost beside their places. */
  #contentBytes = 0

  /** What it costs in memory, about. O(1). */
  get bytes(): number {
    return OWN_BYTES + 8 * this.#ring.length + this.#contentBytes
  }

  get length(): number {
    return this.#length
  }

  at(index: number): string {
    return this.#ring[(this.#first + index) & (this.#ring.length - 1)] as string
  }

  set(index: number, value: string): void {
    this.#contentBytes += stringBytes(value) - stringBytes(this.at(index))
    this.#put(index, value)
  }

  push(value: string): void {
    this.#reserve()
    this.#contentBytes += stringBytes(value)
    this.#put(this.#length++, value)
  }

  unshift(value: string): void {
    this.#reserve()
    this.#first = (this.#first - 1) & (this.#ring.length - 1)
    this.#length++
    this.#contentBytes += stringBytes(value)
    this.#put(0, value)
  }

  pop(): string {
    const value = this.at(--this.#length)
    this.#contentBytes -= stringBytes(value)
    this.#ring[(this.#first + this.#length) & (this.#ring.length - 1)] = undefined
    this.#shrink()
    return value
  }

  shift(): string {
    const value = this.at(0)
    this.#contentBytes -= stringBytes(value)
    this.#ring[this.#first] = undefined
    this.#first = (this.#first + 1) & (this.#ring.length - 1)
    this.#length--
    this.#shrink()
    return value
  }

  /** Puts `value` before `index`, which may be the length. O(length). */
  insert(index: number, value: string): void {
    this.push(value)
    for (let i = this.#length - 1; i > index; i--) this.#put(i, this.at(i - 1))
    this.#put(index, value)
  }

  /** Keeps what lies from `start` to before `end`. O(dropped). */
  trim(start: number, end: number): void {
    if (end - start < this.#length / 2) {
      this.#replace(this.slice(start, end))
      return
    }
    for (let i = this.#length; i > end; i--) this.pop()
    for (let i = 0; i < start; i++) this.shift()
  }

  /**
   * Deletes elements equal to `value`. O(length).
   * @param limit - At most so many.
   * @param fromTail - Begin at the end.
   * @returns How many were deleted.
   */
  remove(value: string, limit: number, fromTail: boolean): number {
    const kept: string[] = []
    let removed = 0
    for (let i = 0; i < this.#length; i++) {
      const element = this.at(fromTail ? this.#length - 1 - i : i)
      if (removed < limit && element === value) removed++
      else kept.push(element)
    }
    if (removed > 0) this.#replace(fromTail ? kept.reverse() : kept)
    return removed
  }

  /** The elements from `start` to before `end`. */
  slice(start = 0, end = this.#length): string[] {
    const elements: string[] = []
    for (let i = start; i < end; i++) elements.push(this.at(i))
    return elements
  }

  clone(): List {
    const copy = new List()
    copy.#replace(this.slice())
    return copy
  }

  #put(index: number, value: string): void {
    this.#ring[(this.#first + index) & (this.#ring.length - 1)] = value
  }

  #replace(elements: readonly string[]): void {
    let capacity = FIRST_CAPACITY
    while (capacity < elements.length) capacity *= 2
    this.#ring = new Array<string | undefined>(capacity).fill(undefined)
    let contentBytes = 0
    for (let i = 0; i < elements.length; i++) {
      this.#ring[i] = elements[i]
      contentBytes += stringBytes(elements[i] as string)
    }
    this.#contentBytes = contentBytes
    this.#first = 0
    this.#length = elements.length
  }

  /** Makes room for one more. */
  #reserve(): void {
    if (this.#length < this.#ring.length) return
    const ring = this.slice() as (string | undefined)[]
    const capacity = 2 * ring.length
    while (ring.length < capacity) ring.push(undefined)
    this.#ring = ring
    this.#first = 0
  }

  /** Gives memory back once three quarters are empty. */
  #shrink(): void {
    if (this.#ring.length > 64 && this.#length < this.#ring.length / 4) this.#replace(this.slice())
  }
}
