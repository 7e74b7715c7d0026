// The way in, with the machine's own disk, clock and network.
import { realClock } from '../../../io/clock.ts'
import { realNetwork } from '../../../io/network.ts'
import { realRandom } from '../../../io/random.ts'
import { openLsm } from '../../../storage/lsm/index.ts'
import { type NodeSeams, openNodeWith, type PartitionedNode, type PartitionedNodeOptions } from './host.ts'

/** The machine's own. */
export const REAL_SEAMS: NodeSeams = {
  clock: realClock,
  random: realRandom,
  network: realNetwork,
  openStore: (path, options) => openLsm(path, { ...options, keyEncoding: 'buffer', valueEncoding: 'buffer' }),
}

/**
 * Opens this machine's node of a partitioned store, with the data directory `path`. It listens and connects to the others; any
 * node takes requests for any key.
 *
 * What was acknowledged by W replicas is on the disks of W. One process has the directory at a time.
 *
 * @param path - A directory; its parent must exist.
 * @returns The open node. Close it: `await node.close()` or `await using`.
 * @throws INVALID_INPUT for bad options, and for a directory of another node or cluster, naming both; NOT_FOUND without `create`;
 *   LOCKED if another process has it; CORRUPTION, INCOMPATIBLE; UNAVAILABLE if the port is taken; PERMISSION, DISK_FULL, IO.
 *
 * @example
 * const nodes = { node1: { host: '127.0.0.1', port: 7101 } }
 * const node = await openPartitionedNode('./node1', { name: 'node1', nodes, create: true })
 * const { context } = await node.get('user:1')
 * await node.put('user:1', Buffer.from('Alice'), { context })
 * await node.close()
 */
export async function openPartitionedNode(path: string, options: PartitionedNodeOptions): Promise<PartitionedNode> {
  return openNodeWith(REAL_SEAMS, path, options)
}
