// A snapshot that comes in piece by piece (paper, §7, figure 13).
import { lacks } from '../../storage/mutant.ts'
import type { Mutant } from './mutant.ts'
import type { NodeId, SnapshotChunk, SnapshotMeta, Term } from './types.ts'

/**
 * Up to where the driver has it. It belongs to one leader in one term: another one's snapshot of the same index is the same
 * state, but need not be the same bytes.
 */
export class Incoming {
  readonly snapshot: SnapshotMeta
  /** Everything before is there. */
  offset = 0
  private readonly from: NodeId
  private readonly term: Term

  constructor(from: NodeId, { snapshot, term }: SnapshotChunk) {
    this.snapshot = snapshot
    this.from = from
    this.term = term
  }

  /** Says whether a piece is of this snapshot. */
  isOf(from: NodeId, { snapshot, term }: SnapshotChunk, mutant: Mutant | undefined): boolean {
    const { index, sizeBytes } = this.snapshot
    if (snapshot.index !== index || snapshot.term !== this.snapshot.term || snapshot.sizeBytes !== sizeBytes)
      return false
    return (from === this.from && term === this.term) || lacks(mutant, 'snapshots of one leader')
  }

  /** Takes the piece that follows. @returns False if this one is another. */
  take({ offset, data }: SnapshotChunk): boolean {
    const isEmpty = data.length === 0 && this.snapshot.sizeBytes > 0
    if (offset !== this.offset || isEmpty) return false
    this.offset += data.length
    return true
  }

  get isWhole(): boolean {
    return this.offset === this.snapshot.sizeBytes
  }
}
