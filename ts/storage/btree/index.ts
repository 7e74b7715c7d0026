// The B-tree store: what users import as `bedplate/btree`.
import { BedplateError } from '../../base/errors.ts'
import { describe } from '../../base/options.ts'
import { realClock } from '../../io/clock.ts'
import { realRandom } from '../../io/random.ts'
import { realDisk } from '../../io/real-disk.ts'
import { describeNative } from '../../native/describe.ts'
import { loadNative } from '../../native/loader.ts'
import { FIRST_SEGMENT_BYTES, MAX_SEGMENT_BYTES } from '../log/types.ts'
import { codecsOf } from '../ordered/arguments.ts'
import type { KeyOf, ValueOf } from '../ordered/types.ts'
import { Store } from './btree.ts'
import { checkStoreOptions } from './check-options.ts'
import { openNativeEngine } from './native/open.ts'
import { openEngine } from './open.ts'
import { keepStatsFile } from './stats.ts'
import { BTreeHandle } from './store.ts'
import { type BTree, type BTreeOptions, CHECKPOINT_LOG_BYTES, DENSE_CLOSE_BYTES } from './types.ts'

export { BedplateError, type ErrorCode } from '../../base/errors.ts'
export type { Durability, LogStats } from '../log/types.ts'
export type {
  KeyOf,
  Snapshot,
  Transaction,
  TransactionOptions,
  TransactionTree,
  TreeBatchOperation,
  TreeOptions,
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
export type {
  BTree,
  BTreeOptions,
  BTreeStats,
  BTreeTree,
  PageCell,
  PageDescription,
  PagePart,
  VerifyReport,
} from './types.ts'

/**
 * Opens the B-tree store in the directory `path`: a durable ordered map from keys to values.
 *
 * Reads are synchronous (a page that is not cached costs one device read); writes are applied at once, and their promise
 * is durability. One process opens a store for writing, or several for reading. With the native engine, which runs where
 * its binary fits, all threads of that process may open it and share it, and the cache that the first one asked for; the
 * TypeScript engine belongs to one thread.
 *
 * @param path - A directory, relative to the working directory or absolute.
 * @param options - See BTreeOptions. Encodings decide the types of keys and values: of `json` values, `any`, unless the
 *   types are given: `openBTree<string, City>(...)`.
 * @returns The open store. Close it: `await store.close()` or `await using`.
 * @throws NOT_FOUND without `create`, LOCKED if another process has it open, INCOMPATIBLE for foreign or newer files,
 *   CORRUPTION if its bytes are damaged, INVALID_INPUT for bad options, NOT_SUPPORTED for `native: true`
 *   without a binary that fits, PERMISSION, DISK_FULL, IO.
 *
 * @example
 * const store = await openBTree('./cities', { create: true, valueEncoding: 'json' })
 * await store.put('city:fr:Lyon', { population: 522_228 })
 * for (const [key, city] of store.range({ gte: 'city:fr:', lt: 'city:fs:' })) console.log(key, city)
 * await store.close()
 */
export function openBTree<const O extends BTreeOptions = object>(
  path: string,
  options?: O,
): Promise<BTree<KeyOf<O>, ValueOf<O>>>
/** The same, with keys and values of the types that the caller knows them to have. */
export function openBTree<K, V>(path: string, options?: BTreeOptions): Promise<BTree<K, V>>
export async function openBTree<K, V>(path: string, options: BTreeOptions = {}): Promise<BTree<K, V>> {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new BedplateError('INVALID_INPUT', `openBTree: path must be the name of a directory, got ${describe(path)}`)
  }
  const checked = checkStoreOptions(options)
  const codecs = codecsOf<K, V>(options)
  const openNative = options.native === false ? undefined : loadNative()?.openBTree
  if (options.native === true && openNative === undefined) {
    throw new BedplateError('NOT_SUPPORTED', `openBTree: there is no native core: ${whyNoNative()}`, {
      hint: 'leave `native` away: the TypeScript engine writes the same files',
    })
  }
  const engineOptions = {
    disk: realDisk,
    clock: realClock,
    random: realRandom,
    path,
    ...checked,
    checkpointLogBytes: CHECKPOINT_LOG_BYTES,
    denseCloseBytes: DENSE_CLOSE_BYTES,
    firstSegmentBytes: FIRST_SEGMENT_BYTES,
    maxSegmentBytes: MAX_SEGMENT_BYTES,
  }
  if (openNative !== undefined) return new BTreeHandle<K, V>(await openNativeEngine(openNative, engineOptions), codecs)
  const engine = await openEngine(engineOptions)
  return new Store<K, V>(engine, codecs, checked.readOnly ? undefined : keepStatsFile(engine))
}

function whyNoNative(): string {
  return describeNative().reason ?? `this one has no B-tree on ${process.platform}`
}
