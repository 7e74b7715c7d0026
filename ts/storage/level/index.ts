// The stores as Level databases: what users import as `bedplate/level`.
import { type BTree, openBTree } from '../btree/index.ts'
import { type Lsm, openLsm } from '../lsm/index.ts'
import { btreeOptions, lsmOptions } from './known-options.ts'
import { StoreLevel } from './level.ts'
import type { BTreeLevelOptions, LsmLevelOptions } from './types.ts'

export type { BTreeLevelOptions, LevelFormat, LevelWriteOptions, LsmLevelOptions } from './types.ts'

/**
 * A Level database on the B-tree store: the interface of abstract-level 3, for programs and libraries that take any Level
 * database. For reading more than writing.
 *
 * It opens itself; until it is open, calls wait for it. Reads are made in the calling thread (what is not cached costs one device
 * read), writes resolve once they are on disk unless `durability` says otherwise. The default tree of the store is the database,
 * so `openBTree` on the same directory shows the same entries.
 *
 * @typeParam KDefault - Keys, in the database's own encoding.
 * @typeParam VDefault - Values, likewise.
 *
 * @example
 * const db = new BTreeLevel<string, { population: number }>('./cities', { valueEncoding: 'json' })
 * await db.put('fr:Lyon', { population: 522_228 })
 * for await (const [key, city] of db.iterator({ gte: 'fr:', lt: 'fs:' })) console.log(key, city.population)
 * await db.close()
 */
export class BTreeLevel<KDefault = string, VDefault = string> extends StoreLevel<
  BTree<Uint8Array, Uint8Array>,
  KDefault,
  VDefault
> {
  /**
   * @param location - The directory of the store, made if it is not there and `createIfMissing` is not false.
   * @throws INVALID_INPUT for no location. What is wrong otherwise is the `cause` with which opening fails: LOCKED, NOT_FOUND,
   *   CORRUPTION and others, as of `openBTree`.
   */
  constructor(location: string, options?: BTreeLevelOptions<KDefault, VDefault>) {
    super(location, options)
  }

  protected openStore(location: string, options: object): Promise<BTree<Uint8Array, Uint8Array>> {
    return openBTree<Uint8Array, Uint8Array>(location, btreeOptions(options))
  }
}

/**
 * The same on the LSM store: for writing more than reading. `openLsm` on the same directory shows the same entries.
 *
 * @example
 * const db = new LsmLevel('./events')
 * await db.batch([
 *   { type: 'put', key: 'a', value: '1' },
 *   { type: 'del', key: 'b' },
 * ]) // one commit
 * await db.close()
 */
export class LsmLevel<KDefault = string, VDefault = string> extends StoreLevel<
  Lsm<Uint8Array, Uint8Array>,
  KDefault,
  VDefault
> {
  /**
   * @param location - The directory of the store, made if it is not there and `createIfMissing` is not false.
   * @throws INVALID_INPUT for no location. What is wrong otherwise is the `cause` with which opening fails: LOCKED, NOT_FOUND,
   *   CORRUPTION and others, as of `openLsm`.
   */
  constructor(location: string, options?: LsmLevelOptions<KDefault, VDefault>) {
    super(location, options)
  }

  protected openStore(location: string, options: object): Promise<Lsm<Uint8Array, Uint8Array>> {
    return openLsm<Uint8Array, Uint8Array>(location, lsmOptions(options))
  }
}
