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
}

export function newDurable(): Durable {
  return { hardState: { term: 0, votedFor: undefined }, snapshots: new Map(), entries: [], incoming: [] }
}
