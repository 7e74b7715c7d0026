export { type Cancel, type Clock, realClock } from './clock.ts'
export { CRASH_VARIANTS, type CrashVariant } from './crash-image.ts'
export {
  type Disk,
  type DiskFile,
  type DiskLock,
  joinPath,
  type LockKind,
  type OpenMode,
  parentDirectory,
} from './disk.ts'
export type { DiskOperation, FaultError, FaultSpec, PlannedFault } from './disk-faults.ts'
export { describeEffect, type Effect } from './disk-history.ts'
export { DiskImage } from './disk-image.ts'
export { overlayFile } from './overlay-file.ts'
export { type Random, realRandom, seededRandom } from './random.ts'
export { realDisk } from './real-disk.ts'
export {
  type IgnoredSyncs,
  type PendingSync,
  SimulatedDisk,
  type SimulatedDiskOptions,
  type SyncCall,
} from './simulated-disk.ts'
export { compiledUrl, spawnWorker } from './worker.ts'
