// The stores of lsmstore: LSM trees.
import { type Lsm, openLsm } from '../../storage/lsm/index.ts'
import { openFor, type StoreCommand } from '../ordered/context.ts'

/** An LSM store whose keys and values are bytes. */
export type LsmBytes = Lsm<Uint8Array, Uint8Array>

export const LSMSTORE: StoreCommand<LsmBytes> = {
  name: 'lsmstore',
  largeValueHint: 'copy the directory while no process has it open',
  use: (path, options, use) => {
    const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
    return openFor(LSMSTORE, path, () => openLsm<Uint8Array, Uint8Array>(path, { ...encodings, ...options }), use)
  },
}
