// What a merge keeps. Snapshots divide time into strata: between two of them nobody looks, so of all versions of a key in one
// stratum only the newest counts, and a tombstone that has nothing left to hide goes away.
import { compareBytes } from '../compare.ts'
import { lacks } from '../mutant.ts'
import { type Entry, EntryKind, type Need, type VersionCursor } from './entry.ts'
import { MAX_SEQUENCE } from './fields.ts'
import type { Mutant } from './mutant.ts'
import type { RangeTombstone, RangeTombstones } from './range-tombstones.ts'
import { overlaps } from './table-cursor.ts'
import type { TableInfo } from './table-format.ts'
import { tableFor } from './version.ts'

/** What decides over what is kept. */
export interface Retention {
  /** The sequences of open snapshots, rising. */
  readonly snapshots: readonly number[]
  /** Sorted runs of tables that hold older versions than anything in the merge. */
  readonly older: readonly (readonly TableInfo[])[]
  readonly mutant?: Mutant | undefined
}

/** The stratum of a sequence: how many snapshots do not see it. */
function stratumOf(sequence: number, snapshots: readonly number[]): number {
  let low = 0
  let high = snapshots.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((snapshots[middle] as number) < sequence) low = middle + 1
    else high = middle
  }
  return low
}

/** Of the versions of a merge, those that somebody may still see or that still hide something. */
export class SurvivorCursor implements VersionCursor {
  private readonly versions: VersionCursor
  private readonly tombstones: RangeTombstones
  private readonly retention: Retention
  private key: Uint8Array | undefined
  private stratum = 0

  /** @param versions - In order. @param tombstones - All range tombstones of the merge. */
  constructor(versions: VersionCursor, tombstones: RangeTombstones, retention: Retention) {
    this.versions = versions
    this.tombstones = tombstones
    this.retention = retention
  }

  get entry(): Entry {
    return this.versions.entry
  }

  step(): boolean | Need {
    for (;;) {
      const found = this.versions.step()
      if (found !== true) return found
      if (this.survives(this.versions.entry)) return true
    }
  }

  private survives({ key, sequence, kind }: Entry): boolean {
    const { snapshots, mutant } = this.retention
    const stratum = stratumOf(sequence, lacks(mutant, 'snapshots keep versions') ? [] : snapshots)
    const isNewest = this.key === undefined || compareBytes(this.key, key) !== 0 || this.stratum !== stratum
    this.key = key
    this.stratum = stratum
    if (!isNewest) return false
    if (this.tombstones.covering(key, snapshots[stratum] ?? MAX_SEQUENCE) > sequence) return false
    if (kind === EntryKind.put || stratum > 0) return true
    return this.mayHideOlder(key) && !lacks(mutant, 'tombstones until the bottom')
  }

  private mayHideOlder(key: Uint8Array): boolean {
    return this.retention.older.some((run) => tableFor(run, key) !== undefined)
  }
}

/** Of range tombstones what still hides something: in pieces that no bound divides, by their keys. */
export function survivingTombstones(
  tombstones: RangeTombstones,
  { snapshots, older, mutant }: Retention,
): RangeTombstone[] {
  return tombstones.fragments.flatMap(({ start, end, sequences }) => {
    const newestOfStratum = sequences.filter(
      (sequence, i) => i === 0 || stratumOf(sequence, snapshots) !== stratumOf(sequences[i - 1] as number, snapshots),
    )
    return newestOfStratum
      .filter((sequence) => {
        if (stratumOf(sequence, snapshots) > 0) return true
        const hasOlder = older.some((run) => run.some((table) => overlaps(table, { start, end })))
        return hasOlder && !lacks(mutant, 'range tombstones until the bottom')
      })
      .map((sequence) => ({ start, end, sequence }))
  })
}
