import type { Random } from '../../../ts/io/random.ts'
import type { SimulatedDisk } from '../../../ts/io/simulated-disk.ts'

/** The chance that a turn of the event loop ends one of the syncs under way. */
const END_CHANCE = 0.4

/** Ends the asynchronous syncs of a disk at random later moments and in any order, so that calls come between. */
export class SlowSyncs {
  private readonly disk: SimulatedDisk
  private readonly random: Random
  private isStopped = false

  constructor(disk: SimulatedDisk, random: Random) {
    this.disk = disk
    this.random = random
    disk.manualSyncs = true
    this.goOn()
  }

  /** From now on syncs end by themselves; those under way end now. */
  stop(): void {
    this.isStopped = true
    this.disk.manualSyncs = false
    while (this.disk.pendingSyncs.length > 0) this.disk.completeSync()
  }

  private goOn(): void {
    setImmediate(() => {
      if (this.isStopped) return
      const { disk, random } = this
      const count = disk.pendingSyncs.length
      if (count > 0 && random.next() < END_CHANCE) disk.completeSync(Math.floor(random.next() * count))
      this.goOn()
    })
  }
}
