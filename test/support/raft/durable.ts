// The disk of a node in the simulator.
import type { Entry, HardState, SnapshotMeta } from '../../../ts/distributed/raft/index.ts'

/** What outlives a crash. */
export interface Durable {
  hardState: HardState
  /** By their index, whole ones. */
  snapshots: Map<number, { meta: SnapshotMeta; bytes: Uint8Array }>
  entries: Entry[]
  /** A snapshot that is coming in. */
  incoming: Uint8Array[]
  /** Records of the journal; and how many of them are known to have been durable, since a later one says so. */
  records: number
  provenRecords: number
  /** What no longer is what was written there. Nothing at all is there after a wipe. */
  damage: 'journal' | 'snapshot' | 'wipe' | undefined
}

export function newDurable(): Durable {
  return durableWith({ term: 0, votedFor: undefined }, [])
}

export function durableWith(hardState: HardState, entries: Entry[]): Durable {
  const unharmed = { records: 0, provenRecords: 0, damage: undefined }
  return { hardState, snapshots: new Map(), entries, incoming: [], ...unharmed }
}
