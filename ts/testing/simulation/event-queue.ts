// What is going to happen, the earliest first: a binary heap (Williams, "Algorithm 232: Heapsort", CACM 1964).

/** Something that happens at a moment of virtual time. */
export interface Timed {
  readonly timeMs: number
  /** Decides between events of one moment; no two events have the same. */
  readonly order: number
}

/** Events by (`timeMs`, `order`). `push` and `pop` cost O(log n). */
export class EventQueue<Event extends Timed> {
  private readonly heap: Event[] = []

  get size(): number {
    return this.heap.length
  }

  push(event: Event): void {
    const { heap } = this
    let at = heap.length
    heap.push(event)
    // Everything on the way from `at` to the root that is later moves down.
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as Event
      if (!isBefore(event, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = event
  }

  /** Removes the earliest event. @returns undefined if there is none. */
  pop(): Event | undefined {
    const { heap } = this
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++
      const below = heap[child] as Event
      if (!isBefore(below, last)) break
      heap[at] = below
      at = child
    }
    heap[at] = last
    return first
  }

  /** The earliest event, which stays. */
  get first(): Event | undefined {
    return this.heap[0]
  }
}

function isBefore(a: Timed, b: Timed): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.order < b.order)
}
