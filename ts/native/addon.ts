// The raw calls of the native core (native/binding). Arguments are checked by the callers, not here and not there.
import type { NativeOpen } from './btree.ts'
import type { NativeOpenLsm } from './lsm.ts'
import type { AddonDescription } from './report.ts'

/** The number that `describe()` must give: native/binding/addon.cc raises it when a call changes its meaning. */
export const INTERFACE_VERSION = 5

/** The loaded addon. */
export interface Addon {
  describe(): AddonDescription
  /** Continues the CRC-32C `initial` over `bytes`. */
  crc32c(bytes: Uint8Array, initial: number): number
  /** Opens a B-tree store; see btree.ts. Absent where the core has no disk of its own yet. */
  openBTree?: NativeOpen
  /** Opens an LSM store; see lsm.ts. Absent where openBTree is. */
  openLsm?: NativeOpenLsm
}
