// A lock service within the program: a node and the server in front of it.
import { realClock } from '../../io/clock.ts'
import type { Address, TlsFiles } from '../../io/network.ts'
import { realRandom } from '../../io/random.ts'
import type { Logger } from '../../service/index.ts'
import type { AutoCompaction } from './auto-compaction.ts'
import { MemoryBackend } from './mvcc/backend.ts'
import { openBTreeBackend } from './mvcc/btree-backend.ts'
import { LocksNode } from './node.ts'
import { LocksServer } from './server/server.ts'
import type { KeyValue } from './types.ts'

/** How to open a lock service. */
export interface LocksServiceOptions extends Address {
  /** Where data is kept; it is made if it is not there. Undefined: in memory, gone at the end. */
  readonly path: string | undefined
  readonly logger: Logger
  readonly tls?: TlsFiles | undefined
  readonly quotaBytes?: number | undefined
  readonly maxTxnOps?: number | undefined
  readonly maxRequestBytes?: number | undefined
  /** Where clients find the service, as host:port, if not where it listens. */
  readonly advertise?: string | undefined
  /** Listen where others reach the service, though anybody may come in. Default: false. */
  readonly isOpen?: boolean | undefined
  readonly autoCompaction?: AutoCompaction | undefined
  /** Told of keys that went because their lease was not kept alive, as they were. */
  readonly onExpired?: ((kvs: readonly KeyValue[], lease: bigint) => void) | undefined
}

/**
 * Opens a lock service; `start` of the server makes it listen, `stop` closes it with all it has.
 * @throws LOCKED if another process has `path` open, CORRUPTION, INCOMPATIBLE, PERMISSION, DISK_FULL, IO; INVALID_INPUT for an
 *   address that others reach, if anybody could come in
 */
export async function openLocksService(
  options: LocksServiceOptions,
): Promise<{ node: LocksNode; server: LocksServer }> {
  const { path, tls, host, port, maxRequestBytes, advertise, isOpen, ...rest } = options
  const backend = path === undefined ? new MemoryBackend() : await openBTreeBackend(path)
  try {
    const node = new LocksNode({ backend, clock: realClock, random: realRandom, ...rest })
    const serving = { host, port, tls, maxRequestBytes, advertise, isOpen }
    return { node, server: new LocksServer({ node, clock: realClock, ...serving }) }
  } catch (error) {
    await backend.close()
    throw error
  }
}
