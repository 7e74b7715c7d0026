// Our stores: the LSM store on both of its engines, and the B-tree store beside it.
import { loadNative } from '../../../ts/native/loader.ts'
import { type BTree, openBTree } from '../../../ts/storage/btree/index.ts'
import { type Lsm, type LsmOptions, openLsm } from '../../../ts/storage/lsm/index.ts'
import { visitBlock } from '../../contest/steps.ts'
import type { Contestant } from '../../contest/types.ts'
import type { BenchStore, Bounds, OpenOptions } from '../types.ts'
import { engineContestant } from './engine.ts'

const MODES: Contestant['modes'] = {
  fill: "durability 'os': handed to the kernel, synced by flushes and checkpoints",
  durable: "durability 'sync': a promise resolves after the fsync of its group",
}
const ENCODINGS = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const

const hasNativeLsm = loadNative()?.openLsm !== undefined

export const native = lsm({ id: 'native', label: 'bedplate LSM native', native: true })
export const twin = lsm({ id: 'twin', label: 'bedplate LSM TypeScript', native: false })

/** On the engine that a user gets. */
export const btree = engineContestant(
  { id: 'btree', label: 'bedplate B-tree', ours: false, modes: MODES },
  {
    isLog: (file) => file.startsWith('log-'),
    open: async (directory, { access, cacheBytes }) =>
      new BTreeStore(
        await openBTree<Uint8Array, Uint8Array>(directory, {
          create: true,
          cacheBytes,
          durability: access === 'durable' ? 'sync' : 'os',
          ...ENCODINGS,
        }),
      ),
  },
)

function lsm(engine: { id: string; label: string; native: boolean }) {
  const { id, label } = engine
  return engineContestant(
    {
      ...{ id, label, ours: true, modes: MODES },
      missing: () => (engine.native && !hasNativeLsm ? 'there is no native LSM engine here' : undefined),
    },
    {
      isLog: (file) => file.startsWith('log-'),
      open: async (directory, options) => new LsmStore(await openLsmOf(engine.native, directory, options)),
    },
  )
}

function openLsmOf(
  useNative: boolean,
  directory: string,
  { access, cacheBytes }: OpenOptions,
): Promise<Lsm<Uint8Array, Uint8Array>> {
  const options: LsmOptions = {
    create: true,
    memoryBytes: cacheBytes,
    durability: access === 'durable' ? 'sync' : 'os',
    native: useNative,
    ...ENCODINGS,
  }
  return openLsm<Uint8Array, Uint8Array>(directory, options)
}

class StoreOfOurs<Store extends BTree<Uint8Array, Uint8Array> | Lsm<Uint8Array, Uint8Array>> implements BenchStore {
  protected readonly store: Store

  constructor(store: Store) {
    this.store = store
  }

  batch(keys: readonly Buffer[], values: readonly Buffer[]): Promise<void> {
    return this.store.batch(keys.map((key, i) => ({ type: 'put', key, value: values[i]! })))
  }

  remove(keys: readonly Buffer[]): Promise<void> {
    return this.store.batch(keys.map((key) => ({ type: 'delete', key })))
  }

  put(key: Buffer, value: Buffer): Promise<void> {
    return this.store.put(key, value)
  }

  get(key: Buffer): Uint8Array | undefined {
    return this.store.get(key)
  }

  getAwaited(key: Buffer): Promise<Uint8Array | undefined> {
    return this.store.getAsync(key)
  }

  getMany(keys: readonly Buffer[]): number {
    return this.store.getMany(keys).filter((value) => value !== undefined).length
  }

  range(bounds: Bounds): number {
    let count = 0
    for (const [key, value] of this.store.range(bounds)) if (key.length + value.length > 0) count++
    return count
  }

  flatScan(): number {
    let count = 0
    for (const block of this.store.scan()) count += visitBlock(block)
    return count
  }

  close(): Promise<void> {
    return this.store.close()
  }
}

class BTreeStore extends StoreOfOurs<BTree<Uint8Array, Uint8Array>> {
  flush(): Promise<void> {
    return this.store.checkpoint()
  }
}

class LsmStore extends StoreOfOurs<Lsm<Uint8Array, Uint8Array>> {
  flush(): Promise<void> {
    return this.store.flush()
  }

  readAmplification(): number {
    return this.store.stats().amplification.read
  }
}
