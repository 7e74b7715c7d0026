// The raw calls of the native core (native/binding). Arguments are checked by the callers, not here and not there.
import type { NativeOpen } from './btree.ts'

/** The number that `describe()` must give: native/binding/addon.cc raises it when a call changes its meaning. */
export const INTERFACE_VERSION = 3

/** What a binary says of itself. */
export interface AddonDescription {
  interfaceVersion: number
  /** The Node-API version it was built for. */
  nodeApiVersion: number
  compiler: string
  /** How it computes CRC-32C on this processor: `sse4.2`, `armv8` or `portable`. */
  crc32c: string
}

/** The loaded addon. */
export interface Addon {
  describe(): AddonDescription
  /** Continues the CRC-32C `initial` over `bytes`. */
  crc32c(bytes: Uint8Array, initial: number): number
  /** Opens a B-tree store; see btree.ts. Absent where the core has no disk of its own yet. */
  openBTree?: NativeOpen
}
