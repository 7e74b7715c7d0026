// The stores of kvstore: B-trees.
import { type BTree, openBTree } from '../../storage/btree/index.ts'
import { openFor, type StoreCommand } from '../ordered/context.ts'

/** A B-tree whose keys and values are bytes. */
export type BTreeBytes = BTree<Uint8Array, Uint8Array>

export const KVSTORE: StoreCommand<BTreeBytes> = {
  name: 'kvstore',
  longKeyHint: 'a key may have an eighth of a page: kvstore create --page-size makes a database with larger ones',
  largeValueHint: 'kvstore backup copies a store with values of any size',
  use: (path, options, use) => {
    const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
    return openFor(KVSTORE, path, () => openBTree<Uint8Array, Uint8Array>(path, { ...encodings, ...options }), use)
  },
}
