// The disk of a process, as far as a protocol sees it: writes in order, durable when a sync that began after them has ended.
// What really happens to files is the matter of ts/io/simulated-disk.ts; here a write is one change of a durable state.
import type { Random } from '../../io/random.ts'
import { between, chance, wholeBetween } from './chance.ts'
import type { StorageFaults } from './types.ts'

interface Write {
  readonly apply: () => void
  readonly done: () => void
}

/** Writes of one process that are not durable yet. */
export class UnsyncedWrites {
  private waiting: Write[] = []
  private syncing: Write[] = []
  private isSyncing = false

  /**
   * Takes a write.
   * @param apply - Changes the durable state: when a sync has ended, or in a crash that lets the write survive.
   * @param done - Tells the process. Never after a crash.
   * @param startSync - Runs its argument when a sync that starts now has ended.
   */
  add(apply: () => void, done: () => void, startSync: (ended: () => void) => void): void {
    this.waiting.push({ apply, done })
    if (!this.isSyncing) this.sync(startSync)
  }

  /**
   * The process is gone: a prefix of what was not durable may be there nevertheless. Of the write behind it a part may be; a
   * torn write is told by its checksum and counts as lost.
   */
  crash(random: Random, faults: StorageFaults): { kept: number; lost: number; isTorn: boolean } {
    const writes = [...this.syncing, ...this.waiting]
    const kept = chance(random, faults.partialRate) ? wholeBetween(random, 0, writes.length) : 0
    for (const write of writes.slice(0, kept)) write.apply()
    this.waiting = []
    this.syncing = []
    this.isSyncing = false
    const lost = writes.length - kept
    return { kept, lost, isTorn: lost > 0 && chance(random, faults.partialRate) }
  }

  private sync(startSync: (ended: () => void) => void): void {
    this.isSyncing = true
    this.syncing = this.waiting
    this.waiting = []
    startSync(() => {
      const ended = this.syncing
      this.syncing = []
      this.isSyncing = false
      for (const write of ended) write.apply()
      if (this.waiting.length > 0) this.sync(startSync)
      for (const write of ended) write.done()
    })
  }
}

/** How long the next sync takes. */
export function syncMs(random: Random, faults: StorageFaults): number {
  return between(random, faults.minSyncMs, faults.maxSyncMs)
}
