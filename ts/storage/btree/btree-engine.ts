// The seam between the handle of a B-tree store (store.ts) and the two engines below it: the TypeScript one (btree.ts over
// engine.ts) and the native one (native/).
import type { PackedOperations } from '../ordered/packed-operations.ts'
import type { Codecs } from '../ordered/reader.ts'
import type { StoreEngine } from '../ordered/store-engine.ts'
import type { BTreeStats, BTreeTree, PageDescription, VerifyReport } from './types.ts'

/** What the handle of a B-tree store needs beside what all stores have. */
export interface BTreeEngine extends StoreEngine {
  readonly pageSizeBytes: number
  tree<K, V>(name: string, codecs: Codecs<K, V>): BTreeTree<K, V>
  /** `apply` for puts and deletes within the bounds of the store; `packed` may be used again. @param trees - Those it speaks of. */
  applyPacked(trees: readonly string[], packed: PackedOperations): Promise<void>
  checkpoint(): Promise<void>
  stats(): BTreeStats
  verify(): Promise<VerifyReport>
  backup(path: string): Promise<void>
  compact(): Promise<void>
  inspectPage(pageNumber: number): PageDescription
}
