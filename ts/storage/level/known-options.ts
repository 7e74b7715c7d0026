// Which options are the store's. Level lets a database be given whatever hooks and plugins like to find there, and a store
// refuses what it does not know.
import type { BTreeOptions } from '../btree/index.ts'
import type { LsmOptions } from '../lsm/index.ts'

/** Every option of the stores by name: types see to it that none is left out. */
const BTREE_OPTIONS: Readonly<Record<keyof BTreeOptions, true>> = {
  create: true,
  pageSizeBytes: true,
  cacheBytes: true,
  durability: true,
  readOnly: true,
  keyEncoding: true,
  valueEncoding: true,
  native: true,
}
const LSM_OPTIONS: Readonly<Record<keyof LsmOptions, true>> = {
  create: true,
  memoryBytes: true,
  memtableBytes: true,
  maxOpenFiles: true,
  bitsPerKey: true,
  compression: true,
  compaction: true,
  ttlMs: true,
  maxBytes: true,
  durability: true,
  readOnly: true,
  keyEncoding: true,
  valueEncoding: true,
  native: true,
}

/** Those of `options` that `openBTree` takes. */
export function btreeOptions(options: object): BTreeOptions {
  return known(options, BTREE_OPTIONS)
}

/** Those of `options` that `openLsm` takes. */
export function lsmOptions(options: object): LsmOptions {
  return known(options, LSM_OPTIONS)
}

function known<Options>(options: object, names: Readonly<Record<keyof Options, true>>): Options {
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(names, name))) as Options
}
