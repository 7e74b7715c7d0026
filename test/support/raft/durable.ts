// The disk of a node in the simulator.
import type { Entry, HardState, SnapshotMeta } from '../../../ts/distributed/raft/index.ts'
import type { Random } from '../../../ts/io/random.ts'
import { chance } from '../../../ts/testing/simulation/index.ts'

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

/**
 * Damages a disk for good. Rot shows when it is read: the journal and the snapshot at the next start, a snapshot when it is sent.
 * A damaged end of the journal could be a torn write, whose node goes on without it; so what rots is before that.
 * @returns False if nothing that would show is there.
 */
export function damageDisk(durable: Durable, kind: 'rot' | 'wipe', rots: 'snapshot' | 'journal'): boolean {
  if (durable.damage !== undefined || (kind === 'rot' && durable.provenRecords === 0)) return false
  durable.damage = kind === 'wipe' ? 'wipe' : rots
  return true
}

/** What of a disk rots. */
export function drawRotten({ snapshots }: Durable, random: Random): 'snapshot' | 'journal' {
  return snapshots.size > 0 && chance(random, 0.5) ? 'snapshot' : 'journal'
}
