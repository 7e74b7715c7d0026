import { expect } from 'vitest'
import { realDisk } from '../../ts/io/real-disk.ts'
import { SimulatedDisk } from '../../ts/io/simulated-disk.ts'
import { describeDisk } from '../support/disk-conformance.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

describeDisk('the real disk', () => {
  const { path, remove } = temporaryDirectory()
  return { disk: realDisk, root: path, cleanUp: remove }
})

describeDisk('the simulated disk', () => {
  const disk = new SimulatedDisk()
  disk.mkdir('root')
  return {
    disk,
    root: 'root',
    cleanUp() {
      expect([disk.openHandles, disk.heldLocks, disk.pendingSyncs.length]).toEqual([0, 0, 0])
    },
  }
})
