// The way in, with the machine's own disk, clock and network.
import { realClock } from '../../io/clock.ts'
import { realNetwork } from '../../io/network.ts'
import { realRandom } from '../../io/random.ts'
import { realDisk } from '../../io/real-disk.ts'
import type { OpenRaftOptions, RaftHost } from './door.ts'
import { openRaftWith } from './open-raft-with.ts'

/**
 * Opens this machine's member of a Raft cluster, with the data directory `path`. It listens and connects to the others; groups
 * are opened on it, each with a state machine that it replicates.
 *
 * Everything that a group promises (votes, entries, acknowledged commands) is on disk before it is said. One process has the
 * directory at a time.
 *
 * @param path - A directory; its parent must exist.
 * @returns The open host. Close it: `await host.close()` or `await using`.
 * @throws INVALID_INPUT for bad options, and for a directory of another node or cluster, naming both; NOT_FOUND without `create`;
 *   LOCKED if another process has it; CORRUPTION if a part of it is missing or damaged; INCOMPATIBLE for foreign or newer files;
 *   UNAVAILABLE if the port is taken; PERMISSION, DISK_FULL, IO.
 *
 * @example
 * const members = { 1: { host: '127.0.0.1', port: 9001 } }
 * const host = await openRaft('./node-1', { id: 1, members, create: true })
 * const group = await host.openGroup(1, machine)
 * const { index, result } = await group.propose(Buffer.from('x = 1'))
 * await host.close()
 */
export async function openRaft(path: string, options: OpenRaftOptions): Promise<RaftHost> {
  return openRaftWith({ disk: realDisk, clock: realClock, random: realRandom, network: realNetwork }, path, options)
}
