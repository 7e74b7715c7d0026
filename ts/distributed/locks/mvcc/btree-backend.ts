// The records in a B-tree store: one tree a bucket, one log for all, so that what belongs together is written together.
import { type BTree, type BTreeTree, openBTree } from '../../../storage/btree/index.ts'
import { type Backend, BUCKETS, type Bucket, type Write } from './backend.ts'

const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
type Store = BTree<Uint8Array, Uint8Array>
type Tree = BTreeTree<Uint8Array, Uint8Array>

/**
 * Opens the records in the directory `path`, which is made if it is not there.
 * @param durability - When a write resolves. `os` for whoever can do what was lost once more, from a log.
 * @throws LOCKED if another process has it open, CORRUPTION, INCOMPATIBLE, PERMISSION, DISK_FULL, IO
 */
export async function openBTreeBackend(path: string, durability: 'sync' | 'os' = 'sync'): Promise<Backend> {
  const store: Store = await openBTree(path, { create: true, durability, ...BYTES })
  const trees = new Map(BUCKETS.map((bucket) => [bucket, store.tree<Uint8Array, Uint8Array>(bucket, BYTES)]))
  return new BTreeBackend(store, trees)
}

class BTreeBackend implements Backend {
  readonly #store: Store
  readonly #trees: ReadonlyMap<Bucket, Tree>

  constructor(store: Store, trees: ReadonlyMap<Bucket, Tree>) {
    this.#store = store
    this.#trees = trees
  }

  get(bucket: Bucket, key: Uint8Array): Uint8Array | undefined {
    return this.#tree(bucket).get(key)
  }

  scan(bucket: Bucket, from: Uint8Array): Iterable<readonly [Uint8Array, Uint8Array]> {
    return this.#tree(bucket).range({ gte: from })
  }

  write(writes: readonly Write[]): Promise<void> {
    return this.#store.batch(
      writes.map(({ bucket, key, value }) =>
        value === undefined
          ? { type: 'delete' as const, key, tree: bucket }
          : { type: 'put' as const, key, value, tree: bucket },
      ),
    )
  }

  flushed(): Promise<void> {
    return this.#store.flushed()
  }

  sizeBytes(): number {
    const { dataFileBytes, log } = this.#store.stats()
    return dataFileBytes + log.segmentBytes
  }

  defragment(): Promise<void> {
    return this.#store.compact()
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  #tree(bucket: Bucket): Tree {
    return this.#trees.get(bucket) as Tree
  }
}
