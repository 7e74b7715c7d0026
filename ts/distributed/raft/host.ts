// A member of a cluster on its machine: one data directory, one journal and one transport for all of its groups.
//
//   DIRECTORY/FORMAT      bedplate raft 1
//             identity    whose it is; see identity.ts
//             journal/    terms, votes and logs of all groups: an append log; see journal.ts
//             snapshots/  a directory a group, by its number; see snapshot-files.ts
//             LOCK...     held while a process has the directory open
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Clock } from '../../io/clock.ts'
import { type Disk, type DiskLock, joinPath } from '../../io/disk.ts'
import {
  type Address,
  type Connection,
  type ConnectionEvents,
  type Network,
  showAddress,
  type TlsFiles,
} from '../../io/network.ts'
import type { Random } from '../../io/random.ts'
import { checkStoreFormat, isVacant, makeStoreDirectory } from '../../storage/directory.ts'
import { encodeReply } from './calls.ts'
import type { Addresses, GroupOptions, RaftGroup, RaftHost } from './door.ts'
import { bringUp } from './driver.ts'
import { Group } from './group.ts'
import { HostedMachine } from './hosted-machine.ts'
import { checkIdentity, drawIncarnation, type Identity, writeIdentity } from './identity.ts'
import { type Journal, openJournal } from './journal.ts'
import type { EngineFactory } from './node.ts'
import { SnapshotFiles } from './snapshot-files.ts'
import type { StateMachine } from './state-machine.ts'
import { openTransport, type Transport } from './transport.ts'
import type { NodeId } from './types.ts'

/** The outside world, and what of it only servers need. */
export interface HostSeams {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  /** Takes over connections of others than nodes, so that another protocol can share the port. */
  readonly onStranger?: ((connection: Connection) => ConnectionEvents) | undefined
  /** Makes the engines of groups. Default: Raft's. */
  readonly engine?: EngineFactory | undefined
}

/** What a host is opened with, checked. */
export interface HostOptions {
  readonly path: string
  readonly create: boolean
  readonly identity: Identity
  /** Where the founding members are reached. */
  readonly members: Addresses
  readonly listen: Address
  /** Node j listens on this port plus j; 0 if addresses are given one by one. All nodes must agree. */
  readonly basePort: number
  readonly tls: TlsFiles | undefined
  /** Of the cluster; '' if it has none. */
  readonly secret: string
  readonly onTrouble: ((peer: string, error: Error) => void) | undefined
}

const FORMAT = { engine: 'raft', version: 1 }
const JOURNAL = 'journal'
const SNAPSHOTS = 'snapshots'
const MAX_GROUP = 2 ** 32 - 1

interface Parts {
  readonly lock: DiskLock
  readonly journal: Journal
  readonly incarnation: string
}

/** Opens or makes the directory, and listens. Whatever fails, everything is given back. */
export async function openHost(seams: HostSeams, options: HostOptions): Promise<Host> {
  const { disk, clock, random } = seams
  const { path, identity } = options
  await makeOrFind(seams, options)
  const lock = disk.lock(path, 'writer')
  let journal: Journal | undefined
  try {
    const { incarnation } = checkIdentity(disk, path, identity)
    const journalPath = joinPath(path, JOURNAL)
    journal = await openJournal({ disk, clock, random, path: journalPath, create: false }).catch((error: unknown) => {
      throw isCode(error, 'NOT_FOUND') ? lost(journalPath, error) : error
    })
    if (disk.kind(joinPath(path, SNAPSHOTS)) !== 'directory') throw lost(joinPath(path, SNAPSHOTS))
    const host = new Host(seams, options, { lock, journal, incarnation })
    await host.listen()
    return host
  } catch (error) {
    await journal?.close().catch(() => {})
    lock.release()
    throw error
  }
}

async function makeOrFind({ disk, clock, random }: HostSeams, { path, create, identity }: HostOptions): Promise<void> {
  if (!isVacant(disk, path)) {
    if (disk.kind(path) === 'file') throw new BedplateError('INCOMPATIBLE', `${path} is a file, not a directory`)
    checkStoreFormat(disk, path, FORMAT)
    return
  }
  if (!create) {
    throw new BedplateError('NOT_FOUND', `there is no node of Raft at ${path}`, {
      hint: 'make one with { create: true }; one whose directory was lost needs a new id, since it may have voted',
    })
  }
  await makeStoreDirectory({ disk, random }, { path, format: FORMAT }, async (temporary) => {
    await writeIdentity(disk, temporary, { ...identity, incarnation: drawIncarnation(random) })
    disk.mkdir(joinPath(temporary, SNAPSHOTS))
    const journal = await openJournal({ disk, clock, random, path: joinPath(temporary, JOURNAL), create: 'new' })
    await journal.close()
  })
}

/** A part of the directory is gone. An empty one in its place would forget votes and entries that were promised. */
function lost(path: string, cause?: unknown): BedplateError {
  return new BedplateError('CORRUPTION', `${path} is missing, and with it what this node has promised`, {
    cause,
    hint: 'put it back, or remove the node from the cluster and add one with a new id and an empty directory',
  })
}

/** The host behind the interface. */
export class Host implements RaftHost {
  private readonly seams: HostSeams
  private readonly options: HostOptions
  private readonly parts: Parts
  private readonly groups = new Map<number, Group>()
  private readonly known: Map<NodeId, Address>
  private transport: Transport | undefined
  private isClosed = false

  constructor(seams: HostSeams, options: HostOptions, parts: Parts) {
    this.seams = seams
    this.options = options
    this.parts = parts
    this.known = new Map(options.members)
  }

  get id(): NodeId {
    return this.options.identity.node
  }

  get clusterId(): string {
    return this.options.identity.clusterId
  }

  get address(): Address {
    return this.opened.address
  }

  get addresses(): Addresses {
    return this.known
  }

  get connected(): NodeId[] {
    return this.opened.connected
  }

  /** @throws UNAVAILABLE if the port is taken, PERMISSION, INVALID_INPUT */
  async listen(): Promise<void> {
    const { network, clock, random, onStranger } = this.seams
    const { identity, members, listen, basePort, tls, secret, onTrouble } = this.options
    const others = [...members].filter(([id]) => id !== identity.node)
    this.transport = await openTransport({
      ...{ network, clock, random, listen, tls, secret, onStranger, onTrouble },
      own: {
        clusterId: identity.clusterId,
        from: identity.node,
        members: identity.members,
        basePort,
        incarnation: this.parts.incarnation,
      },
      peers: new Map(others),
      received: (from, group, message) => this.groups.get(group)?.receive(from, message),
      called: (_from, group, request) => this.called(group, request),
    })
  }

  async openGroup(group: number, machine: StateMachine, options: GroupOptions = {}): Promise<RaftGroup> {
    const transport = this.opened
    if (!Number.isInteger(group) || group < 0 || group > MAX_GROUP) {
      throw new BedplateError('INVALID_INPUT', `openGroup: group must be a whole number below 2^32, got ${group}`)
    }
    const { disk, clock, random, engine } = this.seams
    const { path, identity } = this.options
    const directory = joinPath(path, SNAPSHOTS)
    const isNew = disk.kind(joinPath(directory, String(group))) === undefined
    const snapshots = new SnapshotFiles(disk, joinPath(directory, String(group)))
    if (isNew) await disk.syncDirectory(directory)
    if (this.isClosed) throw this.closedError()
    const hosted = new HostedMachine(machine, (addresses) => this.learn(addresses))
    const { journal } = this.parts
    if (!this.groups.has(group)) await bringUp({ group, journal, snapshots, clock, machine: hosted })
    if (this.isClosed) throw this.closedError()
    if (this.groups.has(group)) throw new BedplateError('INVALID_INPUT', `openGroup: group ${group} is open already`)
    const opened = new Group(
      {
        ...{ group, id: identity.node, clock, random, snapshots, engine, journal },
        machine: hosted,
        founding: { voters: identity.members, outgoing: [], learners: [] },
        send: (to, message) => transport.send(to, group, message),
        call: (to, request) => transport.call(to, group, request),
        learned: (addresses) => this.learn(addresses),
        closed: () => void this.groups.delete(group),
      },
      options,
    )
    this.groups.set(group, opened)
    return opened
  }

  learn(addresses: Addresses): void {
    for (const [id, address] of addresses) {
      const before = this.known.get(id)
      if (before !== undefined && showAddress(before) === showAddress(address)) continue
      this.known.set(id, address)
      this.transport?.addAddress(id, address)
    }
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    this.transport?.close()
    for (const group of [...this.groups.values()]) await group.close()
    try {
      await this.parts.journal.close()
    } finally {
      this.parts.lock.release()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private get opened(): Transport {
    if (this.isClosed || this.transport === undefined) throw this.closedError()
    return this.transport
  }

  private closedError(): BedplateError {
    return new BedplateError('CLOSED', `node ${this.id} was closed`)
  }

  private async called(group: number, request: Uint8Array): Promise<Uint8Array> {
    const opened = this.groups.get(group)
    if (opened !== undefined) return opened.answer(request)
    return encodeReply({ kind: 'refused', reason: 'not leader', leader: undefined })
  }
}
