// What a node knows of its cluster before it can ask anybody: the file `cluster` in its directory.
//
//   one line of JSON   {"version":1,"cluster":"5f0e61c2a94b7d83","node":2,"joinId":"...","founders":
//                       {"1":{"host":"localhost","port":8001}},
//                       "mode":"semi-sync","state":"member"}
//
// It is written aside, synced and renamed. `founding` and `joining` say that the log may not be there yet; a member whose log is
// missing has lost what it has promised.
import { BedplateError } from '../../../base/errors.ts'
import { type Disk, joinPath } from '../../../io/disk.ts'
import { isAddress } from '../../../io/network.ts'
import { isVacant } from '../../../storage/directory.ts'
import type { Addresses, NodeId } from '../../raft/index.ts'
import { MODES, type Mode } from '../types.ts'

/** What the file says. */
export interface ClusterFile {
  readonly cluster: string
  readonly node: NodeId
  /** Drawn with the directory: see `MemberRecord`. */
  readonly joinId: string
  /** The node that the cluster began with, and where it was then. */
  readonly founders: Addresses
  readonly mode: Mode
  readonly state: 'founding' | 'joining' | 'member'
}

const FILE = 'cluster'
const TEMPORARY = 'cluster.new'
const VERSION = 1
const MAX_BYTES = 16 * 1024
const ID = /^[\da-f]{16}$/

/** Whether `text` is a cluster's name, or a join id, as nodes draw them. */
export function isDrawnId(text: unknown): text is string {
  return typeof text === 'string' && ID.test(text)
}

/** Whether a directory is not there, or has nothing in it but the beginning of this file. */
export function isUnused(disk: Disk, directory: string): boolean {
  if (isVacant(disk, directory)) return true
  return disk.kind(directory) === 'directory' && disk.list(directory).join() === TEMPORARY
}

/** Reads the file; undefined if there is none. @throws CORRUPTION, INCOMPATIBLE */
export function readClusterFile(disk: Disk, directory: string): ClusterFile | undefined {
  const path = joinPath(directory, FILE)
  if (disk.kind(path) !== 'file') return undefined
  const file = disk.open(path, 'read')
  try {
    const bytes = new Uint8Array(Math.min(file.size(), MAX_BYTES))
    file.read(bytes, 0)
    return decode(Buffer.from(bytes).toString('utf8'), path)
  } finally {
    file.close()
  }
}

/** Writes the file; it is durable when this resolves. */
export async function writeClusterFile(disk: Disk, directory: string, content: ClusterFile): Promise<void> {
  const temporary = joinPath(directory, TEMPORARY)
  if (disk.kind(temporary) === 'file') disk.unlink(temporary)
  const file = disk.open(temporary, 'create')
  try {
    const founders = Object.fromEntries(content.founders)
    file.write(Buffer.from(`${JSON.stringify({ version: VERSION, ...content, founders })}\n`), 0)
    await file.sync()
  } finally {
    file.close()
  }
  disk.rename(temporary, joinPath(directory, FILE))
  await disk.syncDirectory(directory)
}

/** Addresses by id, as JSON has them. @throws Error for what is none */
export function addressesOf(value: unknown): Addresses {
  if (typeof value !== 'object' || value === null) throw new Error('no addresses')
  const pairs = Object.entries(value).map(([id, address]) => {
    if (!/^[1-9]\d{0,14}$/.test(id) || !isAddress(address)) throw new Error(`${id.slice(0, 40)} has no address`)
    const { host, port } = address
    return [Number(id), { host, port }] as const
  })
  return new Map(pairs)
}

function decode(text: string, path: string): ClusterFile {
  const damaged = (cause: unknown): BedplateError => {
    return new BedplateError('CORRUPTION', `${path}, which says of what cluster the node is, cannot be read`, {
      cause,
      hint: 'put it back from a backup, or remove the node from the cluster and add one with a new id and an empty directory',
    })
  }
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text) as Record<string, unknown>
    if (typeof value !== 'object' || value === null) throw new Error('it is no object')
  } catch (cause) {
    throw damaged(cause)
  }
  const { version, cluster, node, joinId, mode, state } = value
  if (typeof version === 'number' && version > VERSION) {
    throw new BedplateError('INCOMPATIBLE', `${path} has version ${version}, and ${VERSION} is known`, {
      hint: 'update bedplate',
    })
  }
  const isState = state === 'founding' || state === 'joining' || state === 'member'
  const knownMode = MODES.find((each) => each === mode)
  if (!isDrawnId(cluster) || !isDrawnId(joinId) || !Number.isSafeInteger(node) || !isState || knownMode === undefined) {
    throw damaged(new Error('it lacks what it should say'))
  }
  try {
    const founders = addressesOf(value['founders'])
    return { cluster, node: node as NodeId, joinId, founders, mode: knownMode, state }
  } catch (cause) {
    throw damaged(cause)
  }
}
