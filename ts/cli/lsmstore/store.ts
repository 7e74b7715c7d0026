// The stores of lsmstore: LSM trees.
import { type Lsm, type LsmTree, openLsm } from '../../storage/lsm/index.ts'
import { type Context, openFor, type StoreCommand } from '../ordered/context.ts'

/** An LSM store whose keys and values are bytes. */
export type LsmBytes = Lsm<Uint8Array, Uint8Array>

const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const

export const LSMSTORE: StoreCommand<LsmBytes> = {
  name: 'lsmstore',
  largeValueHint: 'lsmstore backup copies a store with values of any size',
  use: (path, options, use) => {
    return openFor(LSMSTORE, path, () => openLsm<Uint8Array, Uint8Array>(path, { ...BYTES, ...options }), use)
  },
}

/** The tree that the command line names, with what only an LSM store can do. */
export function lsmTreeOf({ options: { tree } }: Context<LsmBytes>, store: LsmBytes): LsmTree<Uint8Array, Uint8Array> {
  return tree === undefined ? store : store.tree<Uint8Array, Uint8Array>(tree, BYTES)
}
