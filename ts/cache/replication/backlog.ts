/**
 * The last bytes of a stream, as many as it may keep: a ring that grows up to its limit.
 *
 * @example
 * const backlog = new Backlog(4)
 * backlog.append(Buffer.from('abcdef'))
 * backlog.last(3) // 'def'
 */
export class Backlog {
  #ring = Buffer.alloc(0)
  #limit: number
  /** Where the next byte goes. */
  #next = 0
  #length = 0

  /** @param limitBytes - At least 1. */
  constructor(limitBytes: number) {
    this.#limit = limitBytes
  }

  /** Bytes that are kept. */
  get length(): number {
    return this.#length
  }

  get limitBytes(): number {
    return this.#limit
  }

  /** Keeps from now on at most so many; of what is there, the last ones. */
  resize(limitBytes: number): void {
    const kept = this.last(Math.min(this.#length, limitBytes))
    this.#limit = limitBytes
    this.#adopt(kept, kept.length)
  }

  append(bytes: Uint8Array): void {
    const tail = bytes.length > this.#limit ? bytes.subarray(bytes.length - this.#limit) : bytes
    if (tail.length === 0) return
    const wanted = Math.min(this.#limit, this.#length + tail.length)
    if (wanted > this.#ring.length) {
      this.#adopt(this.last(this.#length), Math.min(this.#limit, Math.max(wanted, 2 * this.#ring.length)))
    }
    const room = this.#ring.length - this.#next
    this.#ring.set(tail.subarray(0, room), this.#next)
    if (tail.length > room) this.#ring.set(tail.subarray(room), 0)
    this.#next = (this.#next + tail.length) % this.#ring.length
    this.#length = Math.min(this.#ring.length, this.#length + tail.length)
  }

  /** A copy of the last `count` bytes; there must be so many. */
  last(count: number): Buffer {
    const copy = Buffer.alloc(count)
    if (count === 0) return copy
    const start = (this.#next - count + this.#ring.length) % this.#ring.length
    const first = Math.min(count, this.#ring.length - start)
    this.#ring.copy(copy, 0, start, start + first)
    this.#ring.copy(copy, first, 0, count - first)
    return copy
  }

  /** Goes on in a ring of another size, with `kept` in it. */
  #adopt(kept: Uint8Array, size: number): void {
    this.#ring = Buffer.alloc(size)
    this.#ring.set(kept)
    this.#length = kept.length
    this.#next = size === 0 ? 0 : kept.length % size
  }
}
