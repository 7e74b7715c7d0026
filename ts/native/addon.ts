// The raw calls of the native core (native/binding). Arguments are checked by the callers, not here and not there.
import type { NativeOpen } from './btree.ts'
import type { NativeOpenLsm } from './lsm.ts'
import type { AddonDescription } from './report.ts'

/** The number that `describe()` must give: native/binding/addon.cc raises it when a call changes its meaning. */
export const INTERFACE_VERSION = 6

/** The loaded addon. */
export interface Addon {
  describe(): AddonDescription
  /** Continues the CRC-32C `initial` over `bytes`. */
  crc32c(bytes: Uint8Array, initial: number): number
  /** The filter of `keys`, each of `keyBytes` bytes, one behind the other. Stores build theirs inside. */
  buildBloomFilter(keys: Uint8Array, keyBytes: number, bitsPerKey: number): Uint8Array
  /** How many of such keys the filter does not deny. */
  countBloomMatches(filter: Uint8Array, keys: Uint8Array, keyBytes: number): number
  /** Opens a B-tree store; see btree.ts. Absent where the core has no disk of its own yet. */
  openBTree?: NativeOpen
  /** Opens an LSM store; see lsm.ts. Absent where openBTree is. */
  openLsm?: NativeOpenLsm
}
