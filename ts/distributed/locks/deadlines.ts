// When leases expire, by the clock of the one node that decides it. None of it is replicated or kept: a node that takes over,
// or starts again, gives every lease its whole time once more, so that none expires earlier than its holder believes.

/** Deadlines by id, the earliest first. Time is an argument: any clock that does not go back, in milliseconds. */
export class Deadlines {
  readonly #deadlineOf = new Map<bigint, number>()
  /** A binary heap of what was ever set; an entry that `#deadlineOf` does not have so any more is passed over. */
  readonly #heap: { id: bigint; atMs: number }[] = []

  /** Sets the deadline of a lease, in place of the one it had. */
  set(id: bigint, atMs: number): void {
    this.#deadlineOf.set(id, atMs)
    this.#push({ id, atMs })
    // Leases that are kept alive for long leave an entry each time.
    if (this.#heap.length > 64 && this.#heap.length > 4 * this.#deadlineOf.size) this.#rebuild()
  }

  delete(id: bigint): void {
    this.#deadlineOf.delete(id)
  }

  /** The time left, which may be less than none; undefined if the lease has no deadline. */
  leftMs(id: bigint, nowMs: number): number | undefined {
    const atMs = this.#deadlineOf.get(id)
    return atMs === undefined ? undefined : atMs - nowMs
  }

  /** Takes out the leases whose deadline has come, the earliest first. */
  takeExpired(nowMs: number, limit: number): bigint[] {
    const expired: bigint[] = []
    for (let first = this.#heap[0]; first !== undefined && first.atMs <= nowMs && expired.length < limit; ) {
      this.#pop()
      if (this.#deadlineOf.get(first.id) === first.atMs) {
        this.#deadlineOf.delete(first.id)
        expired.push(first.id)
      }
      first = this.#heap[0]
    }
    return expired
  }

  #rebuild(): void {
    this.#heap.length = 0
    for (const [id, atMs] of this.#deadlineOf) this.#push({ id, atMs })
  }

  #push(entry: { id: bigint; atMs: number }): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >>> 1
      const above = heap[parent] as { id: bigint; atMs: number }
      if (above.atMs <= entry.atMs) break
      heap[at] = above
      heap[parent] = entry
      at = parent
    }
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      const left = heap[child]
      if (left === undefined) break
      const right = heap[child + 1]
      if (right !== undefined && right.atMs < left.atMs) child++
      const smaller = heap[child] as { id: bigint; atMs: number }
      if (smaller.atMs >= last.atMs) break
      heap[at] = smaller
      at = child
    }
    heap[at] = last
  }
}
