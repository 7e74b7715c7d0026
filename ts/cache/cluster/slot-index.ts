// Which keys of a database lie in which slot, for moving slots from node to node. Kept in cluster mode only.
import type { KeyIndex } from '../keyspace/database.ts'
import { SLOT_COUNT, slotOf } from './slots.ts'

/** Keys by slot. Every call but `cleared` is O(1) beside the hash of the key. */
export class SlotIndex implements KeyIndex {
  #slots: (Set<string> | undefined)[] = emptySlots()

  added(key: string): void {
    const slot = slotOf(key)
    const keys = this.#slots[slot]
    if (keys === undefined) this.#slots[slot] = new Set([key])
    else keys.add(key)
  }

  removed(key: string): void {
    const slot = slotOf(key)
    const keys = this.#slots[slot]
    keys?.delete(key)
    if (keys?.size === 0) this.#slots[slot] = undefined
  }

  cleared(): void {
    this.#slots = emptySlots()
  }

  countIn(slot: number): number {
    return this.#slots[slot]?.size ?? 0
  }

  /** At most `limit` keys of a slot, those that are there longest first. */
  keysIn(slot: number, limit: number): string[] {
    const found: string[] = []
    for (const key of this.#slots[slot] ?? []) {
      if (found.length >= limit) break
      found.push(key)
    }
    return found
  }
}

function emptySlots(): (Set<string> | undefined)[] {
  return new Array<Set<string> | undefined>(SLOT_COUNT).fill(undefined)
}
