// When keys expire: a binary heap, the next one on top. Redis samples its keys with expiry at random and leaves some that are
// due for later; the heap finds exactly those that are due. It costs 8 bytes a key with expiry and O(log n) a change.

/** When something expires. `place` belongs to the heap. */
export interface Expiry<Owner> {
  /** Milliseconds since 1970. */
  at: number
  readonly owner: Owner
  place: number
}

/** Expiries by time. */
export class ExpiryHeap<Owner> {
  readonly #heap: Expiry<Owner>[] = []

  get size(): number {
    return this.#heap.length
  }

  /** The one that is due first. */
  first(): Expiry<Owner> | undefined {
    return this.#heap[0]
  }

  /** The one at a place below `size`, in no order that means anything. */
  peek(place: number): Expiry<Owner> {
    return this.#heap[place] as Expiry<Owner>
  }

  add(at: number, owner: Owner): Expiry<Owner> {
    const expiry = { at, owner, place: this.#heap.length }
    this.#heap.push(expiry)
    this.#rise(expiry)
    return expiry
  }

  move(expiry: Expiry<Owner>, at: number): void {
    const isEarlier = at < expiry.at
    expiry.at = at
    if (isEarlier) this.#rise(expiry)
    else this.#sink(expiry)
  }

  remove(expiry: Expiry<Owner>): void {
    const last = this.#heap.pop() as Expiry<Owner>
    if (last === expiry) return
    this.#place(last, expiry.place)
    this.#rise(last)
    this.#sink(last)
  }

  #rise(expiry: Expiry<Owner>): void {
    while (expiry.place > 0) {
      const parent = this.#heap[(expiry.place - 1) >> 1] as Expiry<Owner>
      if (parent.at <= expiry.at) return
      const { place } = parent
      this.#place(parent, expiry.place)
      this.#place(expiry, place)
    }
  }

  #sink(expiry: Expiry<Owner>): void {
    for (;;) {
      const left = this.#heap[2 * expiry.place + 1]
      if (left === undefined) return
      const right = this.#heap[2 * expiry.place + 2]
      const child = right !== undefined && right.at < left.at ? right : left
      if (child.at >= expiry.at) return
      const { place } = child
      this.#place(child, expiry.place)
      this.#place(expiry, place)
    }
  }

  #place(expiry: Expiry<Owner>, place: number): void {
    this.#heap[place] = expiry
    expiry.place = place
  }
}
