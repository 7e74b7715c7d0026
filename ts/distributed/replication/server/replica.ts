// A member of a replicated store on its machine: its place in the cluster, its log, its records.
//
//   DIRECTORY/cluster   of what cluster it is; see cluster-file.ts
//             raft/     the log, votes and snapshots: all that was promised (docs/formats/raft.md)
//             state/    a B-tree of what the log came to, and up to where; what of it a crash takes, the log has still
import { BedplateError, isCode } from '../../../base/errors.ts'
import type { Cancel, Clock } from '../../../io/clock.ts'
import { type Disk, joinPath, parentDirectory } from '../../../io/disk.ts'
import { type Address, showAddress } from '../../../io/network.ts'
import {
  type Addresses,
  type Applied,
  type GroupStatus,
  type HostSeams,
  logTail,
  type NodeId,
  openRaftWith,
  type Position,
  RaftError,
  type RaftGroup,
  type RaftHost,
} from '../../raft/index.ts'
import { type FailoverEvent, FailoverWatch } from '../failover.ts'
import { Freshness } from '../freshness.ts'
import { replicationEngine } from '../node.ts'
import { decodeSession, encodeSession, laterOf } from '../token.ts'
import type { Mode, ReplicationStatus } from '../types.ts'
import { checkReadOptions, checkReplicaOptions } from './check-options.ts'
import { type ClusterFile, isUnused, readClusterFile, writeClusterFile } from './cluster-file.ts'
import { checkKey, encodeMember, encodeWrites, type MemberRecord } from './command.ts'
import { MAX_COMMAND_BYTES } from './command-layout.ts'
import { DEFAULT_READS, type Wish, wishOf, withDefault } from './default-reads.ts'
import { askCluster, askToJoin } from './joining.ts'
import { KvMachine } from './machine.ts'
import { isPassing, Members } from './members.ts'
import { type KeyRange, openRecords } from './records.ts'
import {
  DEFAULT_REQUEST_MS,
  type DefaultReads,
  type JoinInfo,
  type KeyReader,
  type ReadOptions,
  type ReplicaOptions,
  type Seen,
} from './types.ts'
import type { Write } from './write-list.ts'

const GROUP = 1
const RAFT = 'raft'
const STATE = 'state'
const DEFAULT_TICK_MS = 30
const DEFAULT_JOIN_MS = 30_000
const DEFAULT_SNAPSHOT_BYTES = 64 * 1024 * 1024
/** What cannot be done yet is tried again after this. */
const RETRY_MS = 100
/** Nodes that may vote are looked for so often. */
const TEND_MS = 100
const HAND_OVER_MS = 1000
/** What `range` gives at most. */
const MAX_RANGE_ENTRIES = 10_000
const MAX_RANGE_BYTES = 4 * 1024 * 1024

/** A page of entries. */
export interface RangePage extends Seen {
  readonly entries: readonly (readonly [Uint8Array, Uint8Array])[]
  /** There are more. */
  readonly isCut: boolean
}

/** An open member. Made by `openReplica`. */
export class Replica {
  /** Rejects if it cannot go on: its disk failed. */
  readonly failed: Promise<never>
  readonly host: RaftHost
  readonly members: Members
  readonly #seams: HostSeams
  readonly #path: string
  readonly #options: ReplicaOptions
  readonly #machine: KvMachine
  readonly #group: RaftGroup
  readonly #freshness = new Freshness()
  readonly #timers: Cancel[] = []
  readonly #wish: Wish
  #file: ClusterFile
  #fail: (error: Error) => void = () => {}
  #isServing = false
  #isClosed = false

  private constructor(parts: Parts, group: RaftGroup, wiring: Wiring) {
    const { seams, path, options, file, host, machine } = parts
    this.#seams = seams
    this.#path = path
    this.#options = options
    this.#file = file
    this.#wish = wishOf(this.reads) ?? {} // it was checked
    this.host = host
    this.#machine = machine
    this.#group = group
    this.members = new Members(host, group, machine)
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => {}) // whoever runs it looks at it
    wiring.failed = (error) => this.#stop(error)
    wiring.heard = (failover) => {
      if (this.#isServing) options.onEvent?.({ event: 'failover', failover })
    }
  }

  /**
   * Opens the directory, or makes it: as the first node of a cluster, or as one more of the cluster that `leader` is of. The node is
   * there at once; `serve` says when it is a member that knows its leader.
   */
  static async open(seams: HostSeams, path: string, options: ReplicaOptions): Promise<Replica> {
    checkReplicaOptions(options)
    const file = await prepare(seams, path, options)
    const tls = options.tls === undefined ? {} : { tls: options.tls }
    const secret = options.secret === undefined ? {} : { secret: options.secret }
    const trouble = options.onTrouble === undefined ? {} : { onTrouble: options.onTrouble }
    const engine = replicationEngine({ mode: file.mode })
    const host = await openRaftWith({ ...seams, engine }, joinPath(path, RAFT), {
      ...{
        id: options.id,
        clusterId: file.cluster,
        members: Object.fromEntries(file.founders),
        listen: options.listen,
      },
      ...{ create: file.state !== 'member', ...tls, ...secret, ...trouble },
    })
    let machine: KvMachine | undefined
    try {
      const watch = new FailoverWatch(options.id)
      const wiring: Wiring = { failed: () => {}, heard: () => {} }
      const records = await openRecords(joinPath(path, STATE), (error) => {
        machine?.fail(error)
        wiring.failed(error)
      })
      machine = new KvMachine(records)
      const group = await host.openGroup(GROUP, machine, {
        ...(options.tickMs === undefined ? {} : { tickMs: options.tickMs }),
        maxCommandBytes: MAX_COMMAND_BYTES,
        snapshotBytes: options.snapshotBytes ?? DEFAULT_SNAPSHOT_BYTES,
        onRole: (change) => {
          const event = watch.take(change)
          if (event !== undefined) wiring.heard(event)
        },
        onFailure: (error) => wiring.failed(error),
      })
      return new Replica({ seams, path, options, file, host, machine }, group, wiring)
    } catch (error) {
      await host.close()
      await machine?.close()
      throw error
    }
  }

  get id(): number {
    return this.host.id
  }

  get cluster(): ClusterFile {
    return this.#file
  }

  get address(): Address {
    return this.#options.advertise ?? { ...this.#options.listen, port: this.host.address.port }
  }

  /** What who joins has to know. */
  get joinInfo(): JoinInfo {
    const { cluster, mode, founders } = this.#file
    const whereNow = (id: NodeId): Address | undefined => {
      return id === this.id ? this.address : (this.host.addresses.get(id) ?? founders.get(id))
    }
    const placesOf = (ids: Iterable<NodeId>): Addresses => {
      const places = [...ids].map((id) => [id, whereNow(id)] as const)
      return new Map(places.filter((place): place is readonly [NodeId, Address] => place[1] !== undefined))
    }
    const { voters, outgoing, learners } = this.status.membership
    return {
      cluster,
      mode,
      founders: placesOf(founders.keys()),
      members: placesOf([...voters, ...outgoing, ...learners]),
    }
  }

  /** True once it is a member and knows its leader. */
  get isServing(): boolean {
    return this.#isServing
  }

  get status(): ReplicationStatus {
    return this.#group.status as ReplicationStatus & GroupStatus // its engine is ours
  }

  /** The terms of the last entries of its log, the oldest first. */
  get logTail(): ReturnType<typeof logTail> {
    return logTail(this.#group)
  }

  get tickMs(): number {
    return this.#options.tickMs ?? DEFAULT_TICK_MS
  }

  get failure(): Error | undefined {
    return this.#group.failure
  }

  get keyCount(): number {
    return this.#machine.keyCount
  }

  get sizeBytes(): number {
    return this.#machine.sizeBytes
  }

  /**
   * Sees to it that this node is a member, and that its address is known. Resolves when it votes and knows its leader, which is then
   * on its disk; from then on a majority with it is enough. @throws What the cluster refuses it with; UNAVAILABLE if there is no cluster in `joinMs`; CLOSED
   */
  async serve(): Promise<void> {
    this.#timers.push(repeat(this.#seams.clock, TEND_MS, () => this.members.tend()))
    if (this.#file.state === 'joining') await this.#join()
    await this.#until(() => {
      const { leader, membership } = this.status
      // While the membership is joint, those before this node could not yet be without one another.
      const isSettled = this.#file.state === 'member' || membership.outgoing.length === 0
      return leader !== undefined && membership.voters.includes(this.id) && isSettled
    })
    if (this.#file.state === 'founding') await this.#found()
    if (this.#file.state !== 'member') {
      const founders = this.#file.state === 'founding' ? new Map([[this.id, this.address]]) : this.#file.founders
      this.#file = { ...this.#file, founders, state: 'member' }
      await writeClusterFile(this.#seams.disk, this.#path, this.#file)
    }
    this.#isServing = true
    const { leader = this.id } = this.status
    this.#options.onEvent?.(leader === this.id ? { event: 'started' } : { event: 'connected', leader })
    void this.#announce()
  }

  /**
   * Has writes executed by all members, all or none.
   * @throws RaftError, whose `outcome` says whether that may have happened; INVALID_INPUT, CLOSED and IO: it has not
   */
  async write(writes: readonly Write[]): Promise<Seen> {
    this.#assertUsable()
    return { session: encodeSession(await this.#propose(encodeWrites(writes))) }
  }

  /** The same for bytes that are a command already. They are copied. */
  async execute(command: Uint8Array): Promise<Applied> {
    this.#assertUsable()
    return this.#propose(command)
  }

  /**
   * Reads several keys at one moment. @param query - Is called once, and must not wait for anything.
   * @throws RaftError; UNAVAILABLE
   */
  async read<T extends object>(options: ReadOptions, query: (keys: KeyReader<Uint8Array>) => T): Promise<Seen & T> {
    return this.#read(options, () => query(this.#machine))
  }

  /** @throws RaftError; UNAVAILABLE; INVALID_INPUT for a key that cannot be */
  async get(key: Uint8Array, options: ReadOptions = {}): Promise<Seen & { readonly value: Uint8Array | undefined }> {
    checkKey(key)
    return this.#read(options, () => ({ value: this.#machine.get(key) }))
  }

  /** Entries in the order of their keys: at most `limit`, and no more once they have 4 MiB. @throws as `get` */
  async range(range: KeyRange, options: ReadOptions & { readonly limit?: number } = {}): Promise<RangePage> {
    const limit = Math.min(options.limit ?? MAX_RANGE_ENTRIES, MAX_RANGE_ENTRIES)
    return this.#read(options, () => {
      const entries: (readonly [Uint8Array, Uint8Array])[] = []
      let bytes = 0
      for (const entry of this.#machine.range(range)) {
        if (entries.length >= limit || bytes >= MAX_RANGE_BYTES) return { entries, isCut: true }
        entries.push(entry)
        bytes += entry[0].length + entry[1].length
      }
      return { entries, isCut: false }
    })
  }

  /** Makes this node, or another one, the leader. @throws RaftError */
  async promote(id = this.id): Promise<void> {
    this.#assertUsable()
    await this.#group.transfer(id, { timeoutMs: this.#requestMs })
  }

  /** To the first one that is connected and votes; if it does not take it, there will be an election. */
  async handOver(): Promise<void> {
    const { role, membership } = this.status
    const heirs = this.host.connected.filter((other) => other !== this.id && membership.voters.includes(other))
    const heir = Math.min(...heirs)
    if (role !== 'leader' || heirs.length === 0) return
    await this.#group.transfer(heir, { timeoutMs: HAND_OVER_MS }).catch(() => {})
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const cancel of this.#timers.splice(0)) cancel()
    try {
      await this.host.close()
    } finally {
      await this.#machine.close()
    }
  }

  get reads(): DefaultReads {
    return this.#options.reads ?? DEFAULT_READS
  }

  get #requestMs(): number {
    return this.#options.requestMs ?? DEFAULT_REQUEST_MS
  }

  /** @throws RaftError alone: whatever ends the node meanwhile, nobody knows what became of the command */
  async #propose(command: Uint8Array): Promise<Applied> {
    try {
      return await this.#group.propose(command, { timeoutMs: this.#requestMs })
    } catch (error) {
      if (error instanceof RaftError) throw error
      throw new RaftError(
        { kind: 'unknown', leader: undefined },
        {
          code: 'UNAVAILABLE',
          message: `node ${this.id} ended before the answer`,
          hint: 'it may still be executed: look on another node, or ask again if that does no harm',
          cause: error,
        },
      )
    }
  }

  async #read<T extends object>(options: ReadOptions, query: () => T): Promise<Seen & T> {
    this.#assertUsable()
    checkReadOptions(options)
    const { session, maxStalenessMs, timeoutMs = this.#requestMs, ...given } = withDefault(options, this.#wish)
    const isLoose = session !== undefined || maxStalenessMs !== undefined
    const { consistency = isLoose ? 'session' : 'linearizable' } = given
    const seen = session === undefined ? undefined : decodeSession(session)
    const deadlineMs = this.#nowMs + timeoutMs
    const answer = (): (Seen & T) | undefined => {
      if (seen !== undefined && this.#group.covers(seen) !== 'covered') return undefined // another leader cut it back since
      const position = this.#group.readable
      return { ...query(), session: encodeSession(seen === undefined ? position : laterOf(seen, position)) }
    }
    for (;;) {
      if (seen !== undefined) await this.#group.reach(seen, this.#timeLeft(deadlineMs))
      if (maxStalenessMs !== undefined && consistency === 'session') await this.#freshen(maxStalenessMs, deadlineMs)
      const isExact = consistency === 'linearizable'
      const answered = isExact ? await this.#group.read(answer, this.#timeLeft(deadlineMs)) : answer()
      if (answered !== undefined) return answered
    }
  }

  /** Sees to it that the state shows everything that was acknowledged until so long ago. */
  async #freshen(maxStalenessMs: number, deadlineMs: number): Promise<void> {
    const covers = (position: Position) => this.#group.covers(position)
    for (;;) {
      const askedAtMs = this.#nowMs
      if (this.#freshness.isWithin(maxStalenessMs, askedAtMs, covers)) return
      const position = await this.#group.readIndex(this.#timeLeft(deadlineMs))
      this.#freshness.learned({ askedAtMs, nowMs: this.#nowMs, position })
      try {
        await this.#group.reach(position, this.#timeLeft(deadlineMs))
        return
      } catch (error) {
        if (!isCode(error, 'CONFLICT')) throw error // what that leader named is gone with it: the next one is asked
      }
    }
  }

  #timeLeft(deadlineMs: number): { timeoutMs: number } {
    return { timeoutMs: Math.max(0, deadlineMs - this.#nowMs) }
  }

  get #nowMs(): number {
    return this.#seams.clock.monotonic() / 1e6
  }

  /** Asks to be let in until it is. */
  async #join(): Promise<void> {
    const { clock } = this.#seams
    const { leader, joinMs = DEFAULT_JOIN_MS } = this.#options
    const members = leader === undefined ? [...this.#file.founders.values()] : [leader, ...this.#file.founders.values()]
    const deadline = clock.monotonic() / 1e6 + joinMs
    const request = { id: this.id, joinId: this.#file.joinId, address: this.address }
    for (let attempt = 0; ; attempt++) {
      try {
        const info = await askToJoin(members[attempt % members.length] as Address, this.#options, request)
        // Who leads may be none of the founders, and with a lower id waits to be connected to.
        this.host.learn(new Map([...info.members].filter(([id]) => id !== this.id)))
        return
      } catch (error) {
        if (!isPassing(error) || clock.monotonic() / 1e6 > deadline) throw error
      }
      this.#assertUsable()
      await pause(clock, RETRY_MS)
    }
  }

  /** The founder has its own id for good, too. */
  async #found(): Promise<void> {
    const record: MemberRecord = { id: this.id, joinId: this.#file.joinId, hasLeft: false }
    await this.#group.propose(encodeMember(record), { timeoutMs: this.#requestMs })
  }

  async #announce(): Promise<void> {
    const isDone = (): boolean => {
      if (this.#isClosed) return true
      const known = this.host.addresses.get(this.id)
      return known !== undefined && showAddress(known) === showAddress(this.address)
    }
    while (!isDone()) {
      await this.#group.announce(new Map([[this.id, this.address]])).catch(() => {})
      if (!isDone()) await pause(this.#seams.clock, RETRY_MS)
    }
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      this.#assertUsable()
      await pause(this.#seams.clock, RETRY_MS / 10)
    }
  }

  #assertUsable(): void {
    const { failure } = this
    if (failure !== undefined) throw new BedplateError('IO', 'this node cannot go on', { cause: failure })
    if (this.#isClosed) throw new BedplateError('CLOSED', `node ${this.id} was closed`)
  }

  #stop(error: unknown): void {
    this.#fail(error instanceof Error ? error : new BedplateError('INTERNAL', String(error)))
  }
}

interface Parts {
  readonly seams: HostSeams
  readonly path: string
  readonly options: ReplicaOptions
  readonly file: ClusterFile
  readonly host: RaftHost
  readonly machine: KvMachine
}

/** What is told of the parts before the whole is there. */
interface Wiring {
  heard: (event: FailoverEvent) => void
  failed: (error: unknown) => void
}

/** Finds out of what cluster the directory is, or makes it so. @throws INVALID_INPUT, CORRUPTION, INCOMPATIBLE, UNAVAILABLE */
async function prepare(seams: HostSeams, path: string, options: ReplicaOptions): Promise<ClusterFile> {
  const { disk } = seams
  if (isUnused(disk, path)) {
    const made = await found(seams, options)
    if (disk.kind(path) === undefined) {
      disk.mkdir(path)
      await disk.syncDirectory(parentDirectory(path))
    }
    await writeClusterFile(disk, path, made)
    return made
  }
  const file = disk.kind(path) === 'file' ? undefined : readClusterFile(disk, path)
  if (file === undefined) {
    throw new BedplateError('INCOMPATIBLE', `${path} has something else in it than a node of replicated-kv`, {
      hint: 'give each node a directory of its own',
    })
  }
  if (file.node !== options.id) {
    throw new BedplateError('INVALID_INPUT', `${path} belongs to node ${file.node}, not to node ${options.id}`, {
      hint: 'a node starts with its own directory only: it would vote twice',
    })
  }
  await checkLeader(file, options)
  checkLog(disk, path, file)
  if (options.mode === undefined || options.mode === file.mode) return file
  const changed = { ...file, mode: options.mode }
  await writeClusterFile(disk, path, changed)
  return changed
}

/** A new cluster, or the one that `leader` is of. */
async function found({ clock, random }: HostSeams, options: ReplicaOptions): Promise<ClusterFile> {
  const { id, listen, advertise, lead = false, leader, mode, joinMs = DEFAULT_JOIN_MS } = options
  const draw = (): string => Buffer.from(random.bytes(8)).toString('hex')
  const own = { node: id, joinId: draw() }
  if (lead) {
    const founders = new Map([[id, advertise ?? listen]])
    return { ...own, cluster: draw(), founders, mode: mode ?? 'semi-sync', state: 'founding' }
  }
  if (leader === undefined) {
    throw new BedplateError('NOT_FOUND', 'the directory is empty, and nobody says of what cluster the node shall be', {
      hint: 'the first node begins a cluster (--leader), all others join it (--follower --leader-addr=host:port)',
    })
  }
  const deadline = clock.monotonic() / 1e6 + joinMs
  for (;;) {
    try {
      const info = await askCluster(leader, options)
      checkMode(info.mode, mode)
      return { ...own, cluster: info.cluster, founders: info.founders, mode: info.mode, state: 'joining' }
    } catch (error) {
      if (!isCode(error, 'UNAVAILABLE') || clock.monotonic() / 1e6 > deadline) throw error
    }
    await pause(clock, RETRY_MS)
  }
}

/** Each leader keeps to the mode that it has itself: one that differs would change what is promised at the next failover. */
function checkMode(ofCluster: Mode, asked = ofCluster): void {
  if (asked === ofCluster) return
  throw new BedplateError('INVALID_INPUT', `the mode of the cluster is ${ofCluster}, and this node was told ${asked}`, {
    hint: `leave the mode out, or say ${ofCluster}; to change it, restart all nodes of the cluster with another one`,
  })
}

/** A node that is told of another cluster than its directory is of would surprise somebody. That nobody answers is no matter. */
async function checkLeader(file: ClusterFile, options: ReplicaOptions): Promise<void> {
  const { leader } = options
  if (leader === undefined) return
  const info = await askCluster(leader, options).catch((error: unknown) => {
    if (isCode(error, 'UNAVAILABLE')) return undefined
    throw error
  })
  if (info === undefined || info.cluster === file.cluster) return
  throw new BedplateError(
    'INVALID_INPUT',
    `this node is of cluster ${file.cluster}, and ${showAddress(leader)} of ${info.cluster}`,
    { hint: 'give it an empty --data-dir to join that cluster, or the --leader-addr of its own' },
  )
}

function checkLog(disk: Disk, path: string, { state }: ClusterFile): void {
  if (state !== 'member' || disk.kind(joinPath(path, RAFT)) === 'directory') return
  throw new BedplateError('CORRUPTION', `${joinPath(path, RAFT)} is missing, and with it what this node has promised`, {
    hint: 'put it back, or remove the node from the cluster and add one with a new id and an empty directory',
  })
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.timer(ms, resolve)
  })
}

function repeat(clock: Clock, intervalMs: number, act: () => void): Cancel {
  let cancel: Cancel
  const again = (): void => {
    cancel = clock.timer(intervalMs, () => {
      again()
      act()
    })
  }
  again()
  return () => cancel()
}
