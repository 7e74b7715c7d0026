// A member of a replicated lock service within the program: its node of Raft, its state, and the server in front of them.
//
//   DIRECTORY/raft/    the log, votes and snapshots: all that was promised (docs/formats/raft.md)
//             state/   a B-tree of what the log came to, and up to where; what of it a crash takes, the log has still
import { BedplateError } from '../../../base/errors.ts'
import { realClock } from '../../../io/clock.ts'
import { joinPath, parentDirectory } from '../../../io/disk.ts'
import { realRandom } from '../../../io/random.ts'
import { realDisk } from '../../../io/real-disk.ts'
import { isVacant } from '../../../storage/directory.ts'
import { type OpenRaftOptions, openRaft } from '../../raft/index.ts'
import { openBTreeBackend } from '../mvcc/btree-backend.ts'
import type { LocksServiceOptions } from '../open.ts'
import { LocksServer } from '../server/server.ts'
import { ReplicatedNode, type ReplicatedNodeOptions } from './node.ts'

/** How to open a member. */
export interface ReplicatedLocksOptions
  extends Omit<LocksServiceOptions, 'path'>,
    Pick<ReplicatedNodeOptions, 'group' | 'requestMs' | 'onElected'> {
  /** Where its data is kept; it is made if it is not there, but its parent is not. Another member's is refused. */
  readonly path: string
  /** Who it is, and where the others are; `tls` of the service is for both. */
  readonly raft: Omit<OpenRaftOptions, 'tls' | 'create'>
}

const RAFT = 'raft'
const STATE = 'state'

/**
 * Opens a member of a replicated lock service. It takes part in the cluster at once; `start` of the server makes it listen to
 * clients, `stop` closes it with all it has.
 * @throws As `openRaft`, and `openLocksService`; CORRUPTION if the log is missing and the state is there; INCOMPATIBLE for a
 *   directory of something else
 */
export async function openReplicatedLocks(
  options: ReplicatedLocksOptions,
): Promise<{ node: ReplicatedNode; server: LocksServer }> {
  const { path, raft, tls, host: listenHost, port, maxRequestBytes, advertise, isOpen, ...rest } = options
  await prepare(path)
  const host = await openRaft(joinPath(path, RAFT), { ...raft, ...(tls === undefined ? {} : { tls }), create: true })
  const backend = await openBTreeBackend(joinPath(path, STATE), 'os').catch(async (error: unknown) => {
    await host.close()
    throw error
  })
  let node: ReplicatedNode | undefined
  try {
    const seams = { host, backend, clock: realClock, random: realRandom, hasTls: tls !== undefined }
    node = new ReplicatedNode({ ...seams, ...rest, maxRequestBytes })
    await node.start()
    const address = { host: listenHost, port }
    const server = new LocksServer({ node, clock: realClock, ...address, tls, maxRequestBytes, advertise, isOpen })
    return { node, server }
  } catch (error) {
    if (node !== undefined) await node.close()
    else {
      await host.close()
      await backend.close()
    }
    throw error
  }
}

/** Makes the directory, and refuses one whose log is lost: the state alone does not know what was promised. */
async function prepare(path: string): Promise<void> {
  if (isVacant(realDisk, path)) {
    if (realDisk.kind(path) === 'directory') return
    realDisk.mkdir(path)
    await realDisk.syncDirectory(parentDirectory(path))
    return
  }
  const log = joinPath(path, RAFT)
  if (realDisk.kind(log) === 'directory') return
  if (realDisk.kind(joinPath(path, STATE)) !== 'directory') {
    throw new BedplateError('INCOMPATIBLE', `${path} has something else in it than a member of a cluster`, {
      hint: 'give the member a directory of its own; the data of a node that serves alone cannot be taken over yet',
    })
  }
  throw new BedplateError('CORRUPTION', `${log} is missing, and with it what this member has promised`, {
    hint: 'put it back, or remove the member from the cluster and add one with an empty directory',
  })
}
