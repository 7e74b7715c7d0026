// The engines whose writers are killed, each opened so small that its work in the background is never far.
import { type BTree, openBTree } from '../../../ts/storage/btree/index.ts'
import type { Durability } from '../../../ts/storage/log/types.ts'
import { type Lsm, openLsm } from '../../../ts/storage/lsm/index.ts'
import type { TreeStore } from '../../../ts/storage/ordered/types.ts'

export type Kind = 'btree' | 'lsm'

/** How a store is opened. */
export interface Opening {
  readonly kind: Kind
  readonly path: string
  readonly durability: Durability
  /** Of the B-tree: which engine. */
  readonly native: boolean
}

/** What both engines have. */
export interface KilledStore extends TreeStore {
  compact(): Promise<unknown>
  verify(): Promise<{ readonly problems: readonly string[] }>
}

/** Work that goes on beside the steps; a load fills a tree of its own. */
export type Work = 'load' | 'checkpoint' | 'flush' | 'compact' | 'flushed'

export function openKilled({ kind, path, durability, native }: Opening): Promise<KilledStore> {
  return kind === 'btree'
    ? openBTree(path, { create: true, pageSizeBytes: 4096, cacheBytes: 128 * 1024, durability, native })
    : openLsm(path, { create: true, memtableBytes: 64 * 1024, durability })
}

/** Does `work` to a store whose engine has it. @param entries - Of a load into `tree`. */
export function doWork(
  store: KilledStore,
  work: Work,
  { tree, entries }: { tree: string; entries: () => AsyncIterable<[string, string]> },
): Promise<unknown> {
  switch (work) {
    case 'load':
      return (store as BTree).tree(tree).bulkLoad(entries())
    case 'checkpoint':
      return (store as BTree).checkpoint()
    case 'flush':
      return (store as Lsm).flush()
    case 'compact':
      return store.compact()
    case 'flushed':
      return store.flushed()
  }
}
