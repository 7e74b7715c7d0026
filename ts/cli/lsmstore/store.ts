// The stores of lsmstore: LSM trees.
import { type Lsm, type LsmTree, openLsm } from '../../storage/lsm/index.ts'
import { type Context, openFor, type StoreCommand } from '../ordered/context.ts'

/** An LSM store whose keys and values are bytes. */
export type LsmBytes = Lsm<Uint8Array, Uint8Array>

/** So many tables in level 0 are too many: merges are far behind. */
const MANY_TABLES = 16
/** Merges that take longer than this, or that damage has ended, are not waited for. */
const PATIENCE_MS = 10_000
const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const

export const LSMSTORE: StoreCommand<LsmBytes> = {
  name: 'lsmstore',
  largeValueHint: 'lsmstore backup copies a store with values of any size',
  use: (path, options, use) => {
    const open = (): Promise<LsmBytes> => openLsm<Uint8Array, Uint8Array>(path, { ...BYTES, ...options })
    return openFor(LSMSTORE, path, open, async (store) => {
      const result = await use(store)
      if (options.readOnly !== true) await catchUp(store)
      return result
    })
  },
}

/**
 * Lets merges catch up where they are far behind. Closing a store cuts them off, so many runs that are shorter than a merge would
 * leave a table each and never one less.
 */
async function catchUp(store: LsmBytes): Promise<void> {
  const isFarBehind = (): boolean => {
    const { compactionDebtBytes, levels } = store.stats()
    const [{ level, tables } = { level: 0, tables: 0 }] = levels
    return compactionDebtBytes > 0 && level === 0 && tables >= MANY_TABLES
  }
  while (isFarBehind()) if (!(await isMerged(store))) return
}

/** Waits for the end of a merge. @returns False if none has come in time. */
function isMerged(store: LsmBytes): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (hasMerged: boolean): void => {
      stop()
      clearTimeout(timer)
      resolve(hasMerged)
    }
    const stop = store.on('compaction', () => end(true))
    const timer = setTimeout(() => end(false), PATIENCE_MS)
  })
}

/** The tree that the command line names, with what only an LSM store can do. */
export function lsmTreeOf({ options: { tree } }: Context<LsmBytes>, store: LsmBytes): LsmTree<Uint8Array, Uint8Array> {
  return tree === undefined ? store : store.tree<Uint8Array, Uint8Array>(tree, BYTES)
}
