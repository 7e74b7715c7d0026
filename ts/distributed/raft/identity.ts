// Who a data directory belongs to: the file `identity` in it, written once, with the directory.
//
//   one line of JSON   {"version":1,"cluster":"default","node":1,"members":[1,2,3],"incarnation":"5f0e61c2a94b7d83"}
//
// A node that started with another one's log would vote twice in one term, and one of another cluster would bring entries that
// this one has never seen: both are refused before anything is read.
import { BedplateError } from '../../base/errors.ts'
import { type Disk, joinPath } from '../../io/disk.ts'
import type { Random } from '../../io/random.ts'
import { isUsable } from './membership.ts'
import { MAX_MEMBERS, type NodeId } from './types.ts'

/** What a node is for as long as its directory lives. */
export interface Identity {
  readonly clusterId: string
  readonly node: NodeId
  /** The members that the cluster was founded with. */
  readonly members: readonly NodeId[]
}

/** What a directory says. */
export interface DirectoryIdentity extends Identity {
  /** Drawn when the directory was made: the others notice a node that comes back with another one. */
  readonly incarnation: string
}

const FILE = 'identity'
const VERSION = 1
const MAX_BYTES = 64 * 1024
const INCARNATION_BYTES = 8
const INCARNATION = /^[\da-f]{16}$/
export const MAX_CLUSTER_ID_BYTES = 255

/** Writes the file; its name is the caller's to sync. */
export async function writeIdentity(disk: Disk, directory: string, identity: DirectoryIdentity): Promise<void> {
  const { clusterId, node, members, incarnation } = identity
  const file = disk.open(joinPath(directory, FILE), 'create')
  try {
    file.write(
      Buffer.from(`${JSON.stringify({ version: VERSION, cluster: clusterId, node, members, incarnation })}\n`),
      0,
    )
    await file.sync()
  } finally {
    file.close()
  }
}

/**
 * Reads the file, and refuses a directory that is another node's, or another cluster's.
 * @throws INVALID_INPUT that names both, CORRUPTION
 */
export function checkIdentity(disk: Disk, directory: string, wanted: Identity): DirectoryIdentity {
  const found = readIdentity(disk, directory)
  const sorted = (ids: readonly NodeId[]): string => [...ids].sort((a, b) => a - b).join(',')
  const refuse = (theirs: string, ours: string, hint: string): never => {
    throw new BedplateError('INVALID_INPUT', `${directory} belongs to ${theirs}, not to ${ours}`, { hint })
  }
  if (found.clusterId !== wanted.clusterId) {
    const of = ({ node, clusterId }: Identity): string => `node ${node} of cluster "${clusterId}"`
    refuse(of(found), of(wanted), 'give each cluster its own directories, or the cluster id that this one has')
  }
  if (found.node !== wanted.node) {
    refuse(
      `node ${found.node}`,
      `node ${wanted.node}`,
      'a node starts with its own directory only: it would vote twice',
    )
  }
  if (sorted(found.members) !== sorted(wanted.members)) {
    const hint = 'the list is that of the founders and stays; members come and go by changes of the membership'
    refuse(`a cluster of ${sorted(found.members)}`, `one of ${sorted(wanted.members)}`, hint)
  }
  return found
}

/** A new one. */
export function drawIncarnation(random: Random): string {
  return Buffer.from(random.bytes(INCARNATION_BYTES)).toString('hex')
}

function readIdentity(disk: Disk, directory: string): DirectoryIdentity {
  const path = joinPath(directory, FILE)
  if (disk.kind(path) !== 'file') throw damaged(path, 'is missing')
  const file = disk.open(path, 'read')
  try {
    const bytes = new Uint8Array(Math.min(file.size(), MAX_BYTES))
    file.read(bytes, 0)
    return decodeIdentity(Buffer.from(bytes).toString('utf8'), path)
  } finally {
    file.close()
  }
}

/** @throws CORRUPTION, INCOMPATIBLE */
function decodeIdentity(text: string, path: string): DirectoryIdentity {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw damaged(path, 'is no JSON', cause)
  }
  if (typeof value !== 'object' || value === null) throw damaged(path, 'is no object')
  const { version, cluster, node, members, incarnation } = value as Record<string, unknown>
  if (typeof version === 'number' && version > VERSION) {
    throw new BedplateError('INCOMPATIBLE', `${path} has version ${version}, and ${VERSION} is known`, {
      hint: 'update bedplate',
    })
  }
  const isFit = typeof cluster === 'string' && typeof node === 'number' && Array.isArray(members)
  if (typeof incarnation !== 'string' || !INCARNATION.test(incarnation)) throw damaged(path, 'has no incarnation')
  if (version !== VERSION || !isFit || members.length > MAX_MEMBERS) throw damaged(path, 'lacks what it should say')
  if (!isUsable([node], []) || !isUsable(members as NodeId[], [])) throw damaged(path, 'names no possible members')
  return { clusterId: cluster, node, members: members as NodeId[], incarnation }
}

function damaged(path: string, fault: string, cause?: unknown): BedplateError {
  return new BedplateError('CORRUPTION', `${path}, which says whose directory it is in, ${fault}`, {
    cause,
    hint: 'put it back from a backup, or remove the node from the cluster and add one with a new id',
  })
}
