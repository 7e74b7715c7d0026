// One bound of bytes for all that is read from tables: blocks, filters, indexes. What was used since it was last looked at
// gets a second chance (the clock algorithm: Corbató, "A Paging Experiment with the Multics System", 1968).

interface Slot<V> {
  value: V
  bytes: number
  wasUsed: boolean
}

/** Values by number, up to a sum of bytes. A value that is larger than all of it is not kept. */
export class Cache<V> {
  capacityBytes: number
  bytes = 0
  hits = 0
  misses = 0
  /** In the order in which the hand of the clock comes by. */
  private readonly slots = new Map<number, Slot<V>>()

  constructor(capacityBytes: number) {
    this.capacityBytes = capacityBytes
  }

  get(key: number): V | undefined {
    const slot = this.slots.get(key)
    if (slot === undefined) {
      this.misses++
      return undefined
    }
    this.hits++
    slot.wasUsed = true
    return slot.value
  }

  set(key: number, value: V, bytes: number): void {
    this.delete(key)
    if (bytes > this.capacityBytes) return
    this.slots.set(key, { value, bytes, wasUsed: false })
    this.bytes += bytes
    while (this.bytes > this.capacityBytes) this.evictOne()
  }

  /** Changes the bound, and keeps to it at once. */
  limit(capacityBytes: number): void {
    this.capacityBytes = capacityBytes
    while (this.bytes > capacityBytes) this.evictOne()
  }

  delete(key: number): void {
    const slot = this.slots.get(key)
    if (slot === undefined) return
    this.slots.delete(key)
    this.bytes -= slot.bytes
  }

  clear(): void {
    this.slots.clear()
    this.bytes = 0
  }

  /** Every slot that is passed over loses its chance, so this ends within two rounds. */
  private evictOne(): void {
    for (const [key, slot] of this.slots) {
      this.slots.delete(key)
      if (slot.wasUsed) {
        slot.wasUsed = false
        this.slots.set(key, slot)
        continue
      }
      this.bytes -= slot.bytes
      return
    }
  }
}
