// Levels of durability as the core takes them.
import { NativeDurability } from '../../../native/store.ts'
import type { Durability } from '../../log/types.ts'

export function durabilityLevel(durability: Durability): (typeof NativeDurability)[keyof typeof NativeDurability] {
  return typeof durability === 'object' ? NativeDurability.interval : NativeDurability[durability]
}

/** Milliseconds between syncs; 0 if that is not how it works. */
export function intervalOf(durability: Durability): number {
  return typeof durability === 'object' ? durability.intervalMs : 0
}
