import { type BTree, openBTree } from '../../../ts/storage/btree/index.ts'
import { VALUE_BYTES } from '../../contest/records.ts'
import { visitBlock } from '../../contest/steps.ts'
import type { BenchStore, BTreeContestant, OpenOptions } from '../types.ts'

const MODES: BTreeContestant['modes'] = {
  fill: "durability 'os': handed to the kernel, synced by checkpoints",
  durable: "durability 'sync': a promise resolves after the fsync of its group",
}

export const native = bedplate('native', 'bedplate native', true, {})

export const twin = bedplate('twin', 'bedplate TypeScript', false, {
  'get-4-workers': 'a store belongs to one thread; a second one gets LOCKED',
})

function bedplate(
  id: string,
  label: string,
  useNative: boolean,
  cannot: NonNullable<BTreeContestant['cannot']>,
): BTreeContestant {
  const open = (directory: string, { access, cacheBytes }: OpenOptions): Promise<BTree<Uint8Array, Uint8Array>> =>
    openBTree<Uint8Array, Uint8Array>(directory, {
      create: true,
      native: useNative,
      cacheBytes,
      durability: access === 'durable' ? 'sync' : 'os',
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
    })
  return {
    id,
    label,
    ours: true,
    modes: MODES,
    cannot,
    isLog: (file) => file.startsWith('log-'),
    open: async (directory, options) => new BedplateStore(await open(directory, options)),
    async compact(directory, options) {
      const store = await open(directory, options)
      await store.compact()
      await store.close()
    },
  }
}

class BedplateStore implements BenchStore {
  private readonly store: BTree<Uint8Array, Uint8Array>
  private readonly target = Buffer.alloc(VALUE_BYTES)

  constructor(store: BTree<Uint8Array, Uint8Array>) {
    this.store = store
  }

  batch(keys: readonly Buffer[], values: readonly Buffer[]): Promise<void> {
    return this.store.batch(keys.map((key, i) => ({ type: 'put', key, value: values[i]! })))
  }

  put(key: Buffer, value: Buffer): Promise<void> {
    return this.store.put(key, value)
  }

  get(key: Buffer): Uint8Array | undefined {
    return this.store.get(key)
  }

  getShared(key: Buffer): Uint8Array | undefined {
    const length = this.store.getInto(key, this.target)
    return length === VALUE_BYTES ? this.target : undefined
  }

  getMany(keys: readonly Buffer[]): number {
    return this.store.getMany(keys).filter((value) => value !== undefined).length
  }

  range(start: Buffer | undefined, limit: number): number {
    let count = 0
    for (const [key, value] of this.store.range(start === undefined ? { limit } : { gte: start, limit })) {
      if (key.length + value.length > 0) count++
    }
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
