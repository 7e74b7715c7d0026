// What the tour needs of a store, whatever its engine is.
import { type BTree, type BTreeStats, openBTree, type VerifyReport } from '../../storage/btree/index.ts'
import { type Lsm, type LsmStats, type LsmVerifyReport, openLsm } from '../../storage/lsm/index.ts'
import type { TreeStore } from '../../storage/ordered/types.ts'
import type { OrderedReader } from '../../storage/ordered-store.ts'

/** The two engines of the tour. */
export type Kind = 'btree' | 'lsm'

/** What either engine's `verify` finds. */
export type TourVerifyReport = VerifyReport | LsmVerifyReport

/** What both have. */
export interface TourStore extends TreeStore {
  compact(): Promise<void>
  verify(): Promise<TourVerifyReport>
  stats(): BTreeStats | LsmStats
}

/** Opens the store at `path`; `create`: makes it if there is none. */
export function openTourStore(kind: Kind, path: string, create = false): Promise<TourStore> {
  return kind === 'btree' ? openBTree(path, { create }) : openLsm(path, { create })
}

/** How many keys a tree has: a B-tree knows, of an LSM store they are counted. */
export function keyCountOf(tree: OrderedReader & { readonly keyCount?: number }): number {
  if (tree.keyCount !== undefined) return tree.keyCount
  let sum = 0
  for (const { count } of tree.scan()) sum += count
  return sum
}

/** Brings what is in memory and in the log to where it stays: a checkpoint, or a flush. */
export async function settle(store: TourStore): Promise<void> {
  await (isLsm(store) ? store.flush() : (store as BTree).checkpoint())
}

/** Bytes on disk, without the log: that is as large as it was once needed. */
export function dataBytesOf(store: TourStore): number {
  return isLsm(store) ? store.stats().tableBytes : (store as BTree).stats().dataFileBytes
}

function isLsm(store: TourStore): store is Lsm {
  return 'flush' in store
}
