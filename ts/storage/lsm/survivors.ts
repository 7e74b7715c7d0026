// What a merge keeps. Snapshots divide time into strata: between two of them nobody looks, so of all versions of a key in one
// stratum only the newest counts, with the operands above it applied, and a tombstone that has nothing left to hide goes away.
import { compareBytes } from '../compare.ts'
import { lacks } from '../mutant.ts'
import { MAX_VALUE_BYTES } from '../ordered/types.ts'
import { type Entry, EntryKind, type Need, type VersionCursor } from './entry.ts'
import { MAX_SEQUENCE } from './fields.ts'
import type { Mutant } from './mutant.ts'
import { applyOperands, foldOperands, isOperand } from './operand.ts'
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

/**
 * Of the versions of a merge, those that somebody may still see or that still hide something. Operands are applied to the value
 * or the deletion below them where both are of one stratum, and to nothing where nothing older can be; else neighbours become
 * one.
 */
export class SurvivorCursor implements VersionCursor {
  private readonly versions: VersionCursor
  private readonly tombstones: RangeTombstones
  private readonly retention: Retention
  private current: Entry | undefined
  /** What is kept and was not given yet, from `given` on. */
  private kept: Entry[] = []
  private given = 0
  private hasEnded = false
  // The key and the stratum of the last version, whether what came of it hides the rest, and operands that wait for their base.
  private key: Uint8Array | undefined
  private stratum = 0
  private isDecided = false
  private operands: Entry[] = []
  private operandBytes = 0

  /** @param versions - In order. @param tombstones - All range tombstones of the merge. */
  constructor(versions: VersionCursor, tombstones: RangeTombstones, retention: Retention) {
    this.versions = versions
    this.tombstones = tombstones
    this.retention = retention
  }

  get entry(): Entry {
    return this.current as Entry
  }

  step(): boolean | Need {
    for (;;) {
      if (this.given < this.kept.length) {
        this.current = this.kept[this.given++]
        return true
      }
      this.kept.length = 0
      this.given = 0
      if (this.hasEnded) return false
      const found = this.versions.step()
      if (typeof found === 'object') return found
      if (found) {
        this.take(this.versions.entry)
      } else {
        this.hasEnded = true
        this.endKey()
      }
    }
  }

  private take(entry: Entry): void {
    const { key, sequence, kind } = entry
    const { snapshots, mutant } = this.retention
    const stratum = stratumOf(sequence, lacks(mutant, 'snapshots keep versions') ? [] : snapshots)
    const isOtherKey = this.key === undefined || compareBytes(this.key, key) !== 0
    if (isOtherKey) this.endKey()
    else if (stratum !== this.stratum && !this.foldsAcross()) this.keepOperands()
    if (isOtherKey || stratum !== this.stratum) this.isDecided = false
    this.key = key
    this.stratum = stratum
    if (this.isDecided) return
    if (this.tombstones.covering(key, snapshots[stratum] ?? MAX_SEQUENCE) > sequence) this.decide(undefined)
    else if (isOperand(kind)) this.addOperand(entry)
    else this.decide(entry)
  }

  private addOperand(entry: Entry): void {
    this.operands.push(entry)
    this.operandBytes += entry.value.length
    if (this.operandBytes > MAX_VALUE_BYTES) this.keepOperands() // no value can hold them
  }

  /** The rest of the stratum is hidden by `base`, or by a range tombstone. */
  private decide(base: Entry | undefined): void {
    this.isDecided = true
    if (this.operands.length > 0) {
      this.apply(base)
    } else if (base?.kind === EntryKind.put) {
      this.kept.push(base)
    } else if (base !== undefined) {
      const hides = this.stratum > 0 || this.mayHideOlder(base.key)
      if (hides && !(this.stratum === 0 && lacks(this.retention.mutant, 'tombstones until the bottom')))
        this.kept.push(base)
    }
  }

  /** Makes a value of the operands that wait, over `base` or over nothing; or keeps both, if it would be too long. */
  private apply(base: Entry | undefined): void {
    const [newest] = this.operands
    const isReversed = this.operands.length > 1 && lacks(this.retention.mutant, 'operands in order')
    const oldestFirst = isReversed ? this.operands : this.operands.toReversed()
    const value = applyOperands(base?.kind === EntryKind.put ? base.value : undefined, oldestFirst)
    if (value === undefined) {
      this.keepOperands()
      if (base !== undefined) this.kept.push(base)
      return
    }
    this.kept.push({ ...(newest as Entry), kind: EntryKind.put, value })
    this.forgetOperands()
  }

  /** No older version of the key is in the merge. */
  private endKey(): void {
    const [newest] = this.operands
    if (newest === undefined) return
    const isAll = !this.mayHideOlder(newest.key) || lacks(this.retention.mutant, 'operands until the bottom')
    if (isAll) this.apply(undefined)
    else this.keepOperands()
  }

  private keepOperands(): void {
    if (this.operands.length === 0) return
    for (const folded of foldOperands(this.operands)) this.kept.push(folded)
    this.forgetOperands()
  }

  private forgetOperands(): void {
    this.operands = []
    this.operandBytes = 0
  }

  private foldsAcross(): boolean {
    return this.operands.length > 0 && lacks(this.retention.mutant, 'operands of one stratum')
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
