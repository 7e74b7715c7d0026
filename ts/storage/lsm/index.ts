// The LSM store: what users import as `bedplate/lsm`.
import { BedplateError } from '../../base/errors.ts'
import { describe } from '../../base/options.ts'
import { realClock } from '../../io/clock.ts'
import { realRandom } from '../../io/random.ts'
import { realDisk } from '../../io/real-disk.ts'
import { describeNative } from '../../native/describe.ts'
import { loadNative } from '../../native/loader.ts'
import { DEFAULT_BITS_A_KEY } from '../bloom/index.ts'
import { FIRST_SEGMENT_BYTES, MAX_SEGMENT_BYTES } from '../log/types.ts'
import { codecsOf } from '../ordered/arguments.ts'
import type { KeyOf, ValueOf } from '../ordered/types.ts'
import { checkStoreOptions } from './check-options.ts'
import { openNativeEngine } from './native/open.ts'
import { NativeLsmHandle } from './native/store.ts'
import { openEngine } from './open.ts'
import { repairStore } from './repair.ts'
import { collectStats, keepStatsFile } from './stats.ts'
import { LsmHandle } from './store.ts'
import {
  DEFAULT_BLOCK_BYTES,
  DEFAULT_LEVEL_BYTES,
  DEFAULT_TABLE_BYTES,
  LEVEL_0_TABLES,
  type Lsm,
  type LsmOptions,
  type LsmRepairReport,
} from './types.ts'

export { BedplateError, type ErrorCode } from '../../base/errors.ts'
export type { Durability, LogStats } from '../log/types.ts'
export type {
  KeyOf,
  NamedTree,
  Snapshot,
  Transaction,
  TransactionOptions,
  TransactionTree,
  TreeBatchOperation,
  TreeOptions,
  TreeStore,
  ValueOf,
} from '../ordered/types.ts'
export type {
  BatchOperation,
  Encoding,
  FlatBlock,
  KeyRange,
  OrderedReader,
  OrderedStore,
  RangeIterable,
  RangeOptions,
} from '../ordered-store.ts'
export type { LsmEvents, LsmListener } from './events.ts'
export {
  type BlockDescription,
  type EntryDescription,
  type FilePart,
  type FileSection,
  inspectManifest,
  inspectTable,
  type ManifestDescription,
  type TableDescription,
} from './inspect/index.ts'
export type {
  CompactionStyle,
  Compression,
  Entries,
  Lsm,
  LsmBatchOperation,
  LsmOptions,
  LsmRepairReport,
  LsmStats,
  LsmTree,
  LsmVerifyReport,
} from './types.ts'

/**
 * Opens the LSM store in the directory `path`: a durable ordered map that takes writes faster than a B-tree, and reads them a
 * little slower.
 *
 * Reads are synchronous (a block that is not cached costs one device read); writes are applied at once, and their promise is
 * durability. It also waits while flushes are behind: who awaits it never outruns the disk. One process opens a store for
 * writing, or several for reading. With the native engine, which runs where its binary fits, all threads of that process may
 * open it and share it, with the options of the first; the TypeScript engine belongs to one thread.
 *
 * @param path - A directory, relative to the working directory or absolute.
 * @param options - See LsmOptions. Encodings decide the types of keys and values: of `json` values, `any`, unless the
 *   types are given: `openLsm<string, City>(...)`.
 * @returns The open store. Close it: `await store.close()` or `await using`.
 * @throws NOT_FOUND without `create`, LOCKED if another process has it open, INCOMPATIBLE for foreign or newer files,
 *   CORRUPTION if its bytes are damaged, INVALID_INPUT for bad options, NOT_SUPPORTED for `native: true`
 *   without a binary that fits, PERMISSION, DISK_FULL, IO.
 *
 * @example
 * const store = await openLsm('./events', { create: true, valueEncoding: 'json' })
 * await store.put('2026-11-26T08:00:00Z sensor 7', { celsius: 4.5 })
 * for (const [key, event] of store.range({ gte: '2026-11-26' })) console.log(key, event)
 * await store.close()
 */
export function openLsm<const O extends LsmOptions = object>(
  path: string,
  options?: O,
): Promise<Lsm<KeyOf<O>, ValueOf<O>>>
/** The same, with keys and values of the types that the caller knows them to have. */
export function openLsm<K, V>(path: string, options?: LsmOptions): Promise<Lsm<K, V>>
export async function openLsm<K, V>(path: string, options: LsmOptions = {}): Promise<Lsm<K, V>> {
  checkPath(path, 'openLsm')
  const codecs = codecsOf<K, V>(options)
  const openNative = options.native === false ? undefined : loadNative()?.openLsm
  if (options.native === true && openNative === undefined) {
    throw new BedplateError('NOT_SUPPORTED', `openLsm: there is no native core: ${whyNoNative()}`, {
      hint: 'leave `native` away: the TypeScript engine writes the same files',
    })
  }
  const engineOptions = {
    disk: realDisk,
    clock: realClock,
    random: realRandom,
    path,
    ...checkStoreOptions(options),
    tableBytes: DEFAULT_TABLE_BYTES,
    level0Tables: LEVEL_0_TABLES,
    levelBytes: DEFAULT_LEVEL_BYTES,
    firstSegmentBytes: FIRST_SEGMENT_BYTES,
    maxSegmentBytes: MAX_SEGMENT_BYTES,
  }
  if (openNative !== undefined)
    return new NativeLsmHandle<K, V>(await openNativeEngine(openNative, engineOptions), codecs)
  const engine = await openEngine(engineOptions)
  const figures = { stats: () => collectStats(engine), keepsFigures: () => true }
  return new LsmHandle<K, V>(engine, codecs, engine.readOnly ? undefined : keepStatsFile(engine, figures))
}

/**
 * Makes a store that opens of one whose manifest, tables or log are damaged or missing. What can be read is kept: of a damaged
 * table block by block, of a damaged log up to the damage. What cannot is moved to the directory `lost` in the store.
 *
 * What a lost table had deleted or overwritten may be back; the report says how much was lost. Without a manifest, the names of
 * trees are lost: a tree is then called `tree-<id>`, but a single one is taken for the default tree; and options that count at
 * creation are the defaults. That case writes all tables anew, and needs the space for it.
 *
 * Nothing that is there is changed before everything new is durable, so it may be cut off and run again.
 *
 * @param path - The directory of a store that nobody has open.
 * @throws LOCKED if somebody has, NOT_FOUND or INCOMPATIBLE if it is no store of ours, DISK_FULL, PERMISSION, IO.
 *
 * @example
 * const { tables, problems } = await repairLsm('./events')
 * console.log(tables, problems)
 */
export async function repairLsm(path: string): Promise<LsmRepairReport> {
  checkPath(path, 'repairLsm')
  return await repairStore({
    disk: realDisk,
    clock: realClock,
    random: realRandom,
    path,
    defaults: {
      shape: { blockBytes: DEFAULT_BLOCK_BYTES, bitsPerKey: DEFAULT_BITS_A_KEY, compression: 'lz4' },
      plan: { style: 'leveled', ttlMs: 0, maxBytes: 0 },
    },
    tableBytes: DEFAULT_TABLE_BYTES,
  })
}

function checkPath(path: unknown, where: string): void {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return
  throw new BedplateError('INVALID_INPUT', `${where}: path must be the name of a directory, got ${describe(path)}`)
}

function whyNoNative(): string {
  return describeNative().reason ?? `this one has no LSM store on ${process.platform}`
}
