// The public shapes of the Level databases.
import type { AbstractDatabaseOptions } from 'abstract-level'
import type { BTreeOptions } from '../btree/index.ts'
import type { LsmOptions } from '../lsm/index.ts'

/** How keys and values can reach the store: what is named `TFormat` by abstract-level. */
export type LevelFormat = string | Buffer | Uint8Array

/** Options that Level has words of its own for. */
type Renamed = 'create' | 'keyEncoding' | 'valueEncoding'

/** How to make a `BTreeLevel`: the options of every Level database, and those of `openBTree`. */
export interface BTreeLevelOptions<K = string, V = string>
  extends AbstractDatabaseOptions<K, V>,
    Omit<BTreeOptions, Renamed> {}

/** How to make an `LsmLevel`: the options of every Level database, and those of `openLsm`. */
export interface LsmLevelOptions<K = string, V = string>
  extends AbstractDatabaseOptions<K, V>,
    Omit<LsmOptions, Renamed> {}

/** What a write may ask for beside encodings. */
export interface LevelWriteOptions {
  /** The promise waits until the write is synced, also where the database's `durability` is weaker. Default false. */
  sync?: boolean | undefined
}
