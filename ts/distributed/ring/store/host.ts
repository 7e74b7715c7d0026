// A node of the partitioned store on its machine: one data directory, one port, one engine.
import { assertNever, BedplateError } from '../../../base/errors.ts'
import { checkOptions, describe } from '../../../base/options.ts'
import type { Clock } from '../../../io/clock.ts'
import {
  type Address,
  type Connection,
  type ConnectionEvents,
  type Network,
  parseAddress,
  showAddress,
  type TlsFiles,
} from '../../../io/network.ts'
import type { Random } from '../../../io/random.ts'
import { checkSecretText, type Links, NONCE_BYTES, openLinks } from '../../link/index.ts'
import { positionOf } from '../hash.ts'
import { buildRing } from '../ring.ts'
import type { Ring } from '../types.ts'
import { Driver } from './driver.ts'
import { beginLife, claim, notesOf } from './identity.ts'
import { checkKey, checkValue } from './limits.ts'
import { STORE_PROTOCOL } from './link-protocol.ts'
import type { Hello } from './message-codec.ts'
import { foundingRecord } from './ring-state.ts'
import { type Bytes, NodeStorage } from './storage.ts'
import type { Message, Outcome, RingChange, RingRecord, StoreStatus } from './types.ts'
import { decodeContext, encodeContext, lastWrite, NO_CONTEXT, type Versions } from './versions.ts'

/** Who a node is, and where the others are. */
export interface PartitionedNodeOptions {
  /** This node: never that of another one of the same cluster, nor used again after its disk is lost. */
  readonly name: string
  /**
   * The nodes of the cluster, this one among them, and where each is reached. A cluster is founded with those that are here, in the
   * same order on all of them; later, and for one that joins, some that are up are enough.
   */
  readonly nodes: Readonly<Record<string, Address>>
  /** A node with an empty directory founds a cluster; true: it waits to be added to the one of `nodes`. Default false. */
  readonly joins?: boolean
  /** Keeps apart clusters that could reach each other. Default `default`. Up to 255 bytes. */
  readonly clusterId?: string
  /** Makes the directory if there is nothing. Default false. */
  readonly create?: boolean
  /** Where this node listens. Default: its address in `nodes`. */
  readonly listen?: Address
  /** Certificate and key of this node, in PEM, for both directions; with `ca`, nodes accept each other by what it has signed. */
  readonly tls?: TlsFiles
  /** Equal on all nodes; who does not know it is let in by none of them. Default: none. */
  readonly secret?: string
  /** How many nodes hold a key: N. Of a new cluster; one that is there keeps its own. Default 3, or all nodes if they are fewer. */
  readonly replicas?: number
  /** R and W of requests that do not say. Default: a majority of the replicas each. */
  readonly reads?: number
  readonly writes?: number
  /** Tokens of a node of a new cluster. Default 128. */
  readonly virtualNodes?: number
  /** The length of a tick in milliseconds: a request ends after 20. Default 100. */
  readonly tickMs?: number
  /** What this node copies at most, a second, while the ring changes. Default 16 MiB. */
  readonly copyBytesPerSecond?: number
  /** Memory of the store below. Default 48 MiB. */
  readonly memoryBytes?: number
  /** Is told of connections that were refused or broken, and why; for people. */
  readonly onTrouble?: (peer: string, error: Error) => void
}

/** The outside world, and what of it only servers need. */
export interface NodeSeams {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  /** Opens the store in the node's directory. */
  readonly openStore: (path: string, options: { create: boolean; memoryBytes: number }) => Promise<Bytes>
  /** Takes over connections of others than nodes, so that HTTP can share the port. */
  readonly onStranger?: ((connection: Connection) => ConnectionEvents) | undefined
}

export interface ReadOptions {
  /** How many replicas are asked: R. Default: the node's. */
  readonly r?: number | undefined
  /** How many replicas the key has: N. Default: the cluster's. */
  readonly n?: number | undefined
}

export interface WriteOptions {
  /** How many replicas have it on disk before this resolves: W. Default: the node's. */
  readonly w?: number | undefined
  readonly n?: number | undefined
  /** What a read gave: the write replaces what that showed. Default: nothing, so it stands beside what is there. */
  readonly context?: string | undefined
}

/** What is known of a key. */
export interface Found {
  /** Values that nobody has replaced; several if clients wrote without having read each other's. None: there is no such key. */
  readonly values: readonly Uint8Array[]
  /** The one of them that was written last, by the clocks of the nodes that took the writes; undefined if that was a deletion. */
  readonly last: Uint8Array | undefined
  /** For the next write. */
  readonly context: string
}

export interface Written {
  /** For the next write, as if it had been read. */
  readonly context: string
}

/** What a node says of itself, beside what its engine says. */
export interface NodeStatus extends StoreStatus {
  readonly name: string
  readonly clusterId: string
  readonly life: number
  readonly replicas: number
  readonly reads: number
  readonly writes: number
  /** The part of the ring that it holds as the first of its replicas; 0 to 1. */
  readonly share: number
  /** The nodes that there is a connection to. */
  readonly connected: readonly string[]
  /** Those of the ring that do not seem to be up. */
  readonly down: readonly string[]
  readonly failure: string | undefined
}

const TYPES = {
  name: 'string',
  nodes: 'any',
  joins: 'boolean',
  clusterId: 'string',
  create: 'boolean',
  listen: 'any',
  tls: 'any',
  secret: 'string',
  replicas: 'number',
  reads: 'number',
  writes: 'number',
  virtualNodes: 'number',
  tickMs: 'number',
  copyBytesPerSecond: 'number',
  memoryBytes: 'number',
  onTrouble: 'function',
} as const
const DEFAULT_REPLICAS = 3
const DEFAULT_TICK_MS = 100
/** The engine shares out its work among its ticks, so these are so much finer than those that requests are measured by. */
const FINE = 10
const TICKS = {
  requestTicks: 20 * FINE,
  hintTicks: 5 * FINE,
  offerTicks: 20 * FINE,
  gossipTicks: 5 * FINE,
  syncTicks: 50 * FINE,
  eraTicks: 200 * FINE,
}
const DEFAULT_COPY_BYTES = 16 * 1024 * 1024
const DEFAULT_MEMORY_BYTES = 48 * 1024 * 1024
/** Values of writes that this node was asked for and that have not ended; more are refused. */
const MAX_UNDER_WAY_BYTES = 64 * 1024 * 1024
const HASH_BITS_BELOW = 2 ** 37
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._-]*$/u

/** What `openPartitionedNode` does, in any outside world, or with a port that is shared. */
export async function openNodeWith(
  seams: NodeSeams,
  path: string,
  options: PartitionedNodeOptions,
): Promise<PartitionedNode> {
  checkOptions(options, TYPES, 'openPartitionedNode')
  const { name, clusterId = 'default', create = false, memoryBytes = DEFAULT_MEMORY_BYTES } = options
  if (options.secret) checkSecretText('openPartitionedNode', options.secret)
  const founding = foundingNote(options)
  const store = await seams.openStore(path, { create, memoryBytes })
  try {
    const storage = new NodeStorage(store)
    const { incarnation } = await claim(storage, { clusterId, name, path, random: seams.random })
    if (founding !== undefined && storage.note('ring') === undefined) await storage.putNote('ring', founding)
    const life = await beginLife(storage)
    const node = new PartitionedNode(seams, options, { store, storage, life, incarnation })
    await node.listen()
    return node
  } catch (error) {
    await store.close().catch(() => {})
    throw error
  }
}

interface Parts {
  readonly store: Bytes
  readonly storage: NodeStorage
  readonly life: number
  readonly incarnation: string
}

/** A node that runs. Made by `openPartitionedNode`. */
export class PartitionedNode {
  /** Rejects if the node has failed: its disk cannot be written. Open it again. */
  readonly failed: Promise<never>
  private fail: (error: Error) => void = () => {}
  private readonly seams: NodeSeams
  private readonly options: PartitionedNodeOptions
  private readonly parts: Parts
  private readonly driver: Driver
  private links: Links<string, Hello, Message> | undefined
  private underWayBytes = 0
  /** The address that each node has told last. */
  private readonly heardAt = new Map<string, string>()
  private failure: Error | undefined
  private isClosed = false

  constructor(seams: NodeSeams, options: PartitionedNodeOptions, parts: Parts) {
    const { storage, life } = parts
    const { name, nodes, clusterId = 'default', tickMs = DEFAULT_TICK_MS } = options
    const { copyBytesPerSecond = DEFAULT_COPY_BYTES } = options
    this.seams = seams
    this.options = options
    this.parts = parts
    this.failed = new Promise((_resolve, reject) => {
      this.fail = reject
    })
    this.failed.catch(() => {}) // whoever runs the node looks at it
    this.driver = new Driver({
      ...{ storage, clock: seams.clock, tickMs: tickMs / FINE },
      engine: {
        ...{ name, clusterId, life, random: seams.random, notes: notesOf(storage), ...TICKS },
        streamBytesPerTick: Math.max(1, Math.round((copyBytesPerSecond * tickMs) / FINE / 1000)),
        address: showAddress(nodes[name] as Address),
        seeds: Object.keys(nodes).filter((other) => other !== name),
      },
      send: (to, message) => this.send(to, message),
      onTick: () => this.lookAround(),
      onFailure: (error) => {
        this.failure = error
        this.fail(error)
      },
    })
    const { replicas } = this.record
    for (const what of ['reads', 'writes'] as const) {
      if (this.record.epoch > 0) checkCount(what, this[what], replicas)
    }
  }

  get name(): string {
    return this.options.name
  }

  /** Where this node listens. */
  get address(): Address {
    return this.opened.address
  }

  /** Who holds what, as reads see it now. Empty while the node has not been added to a cluster. */
  get ring(): Ring {
    return this.driver.ring.ring
  }

  /** The ring, and what is being done to it. Epoch 0: the node has not been added yet. */
  get record(): RingRecord {
    return this.driver.ring.record
  }

  /** Where nodes are reached, as far as is known. */
  get addresses(): Readonly<Record<string, string>> {
    const { ring, next } = this.driver.ring
    const names = new Set([...ring.nodes, ...(next?.nodes ?? [])].map(({ name }) => name))
    const members = this.driver.members()
    return Object.fromEntries(
      [...names].flatMap((name) => {
        const told = members.get(name)?.facts.address || undefined
        const given = this.options.nodes[name]
        const address = told ?? (given === undefined ? undefined : showAddress(given))
        return address === undefined ? [] : [[name, address]]
      }),
    )
  }

  get status(): NodeStatus {
    const { name, clusterId = 'default' } = this.options
    const { ring, record } = this
    const members = this.driver.members()
    const down = ring.nodes.flatMap((each) =>
      members.get(each.name)?.isUp === true || each.name === name ? [] : [each.name],
    )
    return {
      ...{ name, clusterId, life: this.parts.life, replicas: record.replicas, reads: this.reads, writes: this.writes },
      ...{ share: ring.shares().get(name) ?? 0, connected: this.links?.connected ?? [], down },
      ...this.driver.status,
      failure: this.failure?.message,
    }
  }

  private get reads(): number {
    return this.options.reads ?? Math.floor(this.record.replicas / 2) + 1
  }

  private get writes(): number {
    return this.options.writes ?? Math.floor(this.record.replicas / 2) + 1
  }

  /** Begins to take part. @throws UNAVAILABLE if the port is taken, PERMISSION, INVALID_INPUT */
  async listen(): Promise<void> {
    const { clock, random, network, onStranger } = this.seams
    const { name, nodes, clusterId = 'default', secret = '', tls, onTrouble } = this.options
    const { incarnation } = this.parts
    this.links = await openLinks({
      ...{ network, clock, random, tls, onStranger, onTrouble, id: name, protocol: STORE_PROTOCOL, secret },
      listen: this.options.listen ?? (nodes[name] as Address),
      greet: (to) => ({ clusterId, from: name, to, incarnation, nonce: random.bytes(NONCE_BYTES) }),
      peers: new Map(Object.entries(nodes).filter(([other]) => other !== name)),
      received: (from, _group, message) => this.driver.receive(from, message),
    })
  }

  /**
   * What is known of a key, as R of its N replicas say.
   * @throws UNAVAILABLE if fewer answer in time, INVALID_INPUT, CLOSED
   */
  async get(key: string, options: ReadOptions = {}): Promise<Found> {
    checkKey(key)
    const { replicas, answers } = this.countsOf(options.n, options.r, this.reads, 'r')
    return foundOf(expect('found', await this.driver.get({ key, replicas, answers })).versions)
  }

  /**
   * Writes a value, with W of its N replicas having it on disk.
   * @throws UNAVAILABLE if fewer say so in time: the write may have happened, or happen yet. CONFLICT if it was refused and has
   *   not happened; INVALID_INPUT, CLOSED
   */
  async put(key: string, value: Uint8Array, options: WriteOptions = {}): Promise<Written> {
    checkValue(value)
    return this.write(key, value, options)
  }

  /** Deletes a key: what was read of it; beside what was not, it is nothing. @throws As `put`. */
  async delete(key: string, options: WriteOptions = {}): Promise<Written> {
    return this.write(key, undefined, options)
  }

  /**
   * Begins to change the ring: a node is added, removed or replaced, while requests go on. `status` tells how far that is; it is over
   * when the phase is `stable` again.
   * @param where - Where a new node is reached; it must run, with `joins`.
   * @param lost - Nodes that will not come back, whose disks are gone.
   * @returns The epoch since which the ring changes.
   * @throws CONFLICT while another change is under way; INVALID_INPUT for one that cannot be, such as too few nodes for the replicas;
   *   NOT_FOUND; UNAVAILABLE if no majority of the nodes answers: it may have happened, or happen yet
   */
  async change(
    change: RingChange,
    { where, lost = [] }: { where?: Address; lost?: readonly string[] } = {},
  ): Promise<number> {
    if ((change.kind === 'add' || change.kind === 'replace') && where !== undefined) {
      checkName(change.node.name)
      this.opened.addAddress(change.node.name, where)
    }
    const outcome = await this.driver.change(change, lost)
    if (outcome.kind === 'refused') throw new BedplateError('CONFLICT', `the ring was not changed: ${outcome.reason}`)
    return expect('changing', outcome).epoch
  }

  /**
   * Compares all that this node holds with all others that hold it, and exchanges what differs. It happens now and then by itself.
   * @throws UNAVAILABLE if it takes too long; it goes on then
   */
  async repair(): Promise<{ readonly ranges: number; readonly keys: number }> {
    const { ranges, keys } = expect('repaired', await this.driver.repair())
    return { ranges, keys }
  }

  /** Ends the node, and gives the directory back. Twice is as good as once. */
  async close(): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    this.links?.close()
    this.driver.close()
    await this.parts.store.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private get opened(): Links<string, Hello, Message> {
    if (this.links === undefined || this.isClosed) throw new BedplateError('CLOSED', `${this.name} was closed`)
    return this.links
  }

  private async write(key: string, value: Uint8Array | undefined, options: WriteOptions): Promise<Written> {
    checkKey(key)
    const { replicas, answers: acks } = this.countsOf(options.n, options.w, this.writes, 'w')
    const context = options.context === undefined ? NO_CONTEXT : decodeContext(options.context)
    const bytes = value?.length ?? 0
    if (this.underWayBytes + bytes > MAX_UNDER_WAY_BYTES) {
      throw new BedplateError('UNAVAILABLE', `${this.name} has too many writes under way: try again later`)
    }
    this.underWayBytes += bytes
    try {
      const writtenMs = Math.max(0, Math.floor(this.seams.clock.now()))
      const outcome = await this.driver.put({ key, value, context, replicas, acks, writtenMs })
      return { context: encodeContext(expect('written', outcome).context) }
    } finally {
      this.underWayBytes -= bytes
    }
  }

  private countsOf(n: number | undefined, count: number | undefined, fallback: number, what: string) {
    const { replicas: all, epoch } = this.record
    if (epoch === 0) {
      throw new BedplateError('UNAVAILABLE', `${this.name} has not been added to a cluster yet`, {
        hint: 'add it at a node of the cluster, or ask one of those',
      })
    }
    const replicas = n ?? all
    checkCount('n', replicas, all)
    const answers = count ?? Math.min(fallback, replicas)
    checkCount(what, answers, replicas)
    return { replicas, answers }
  }

  /** Nodes come and go, and move: what gossip has heard of them is where they are looked for. */
  private lookAround(): void {
    const { links } = this
    if (links === undefined || this.isClosed) return
    const { ring, next } = this.driver.ring
    for (const [name, { facts }] of this.driver.members()) {
      if (this.heardAt.get(name) === facts.address || facts.address === '') continue
      this.heardAt.set(name, facts.address)
      try {
        links.addAddress(name, parseAddress(facts.address))
      } catch (error) {
        this.options.onTrouble?.(name, error as Error)
      }
    }
    const members = this.driver.members()
    for (const name of links.known) {
      const isOfRing = ring.node(name) !== undefined || next?.node(name) !== undefined
      const isNew = Object.hasOwn(this.options.nodes, name) && this.record.epoch === 0
      if (isOfRing || isNew || !this.heardAt.has(name) || members.get(name)?.isUp !== false) continue
      this.heardAt.delete(name)
      links.forget(name)
    }
  }

  private send(to: string, message: Message): void {
    try {
      this.links?.send(to, 0, message)
    } catch (error) {
      // A key whose siblings have grown beyond what a frame takes: it is not copied until somebody has replaced them.
      this.options.onTrouble?.(to, error as Error)
    }
  }
}

/** The first four hexadecimal digits of a key's hash, as commands show it: `3a7f`. */
export function hashDigits(key: string): string {
  return Math.floor(positionOf(key) / HASH_BITS_BELOW)
    .toString(16)
    .padStart(4, '0')
}

function foundOf(versions: Versions): Found {
  return {
    values: versions.siblings.flatMap(({ value }) => (value === undefined ? [] : [value])),
    last: lastWrite(versions)?.value,
    context: encodeContext(versions.context),
  }
}

function expect<K extends Outcome['kind']>(kind: K, outcome: Outcome): Outcome & { kind: K } {
  if (outcome.kind === kind) return outcome as Outcome & { kind: K }
  switch (outcome.kind) {
    case 'unavailable':
      throw new BedplateError(
        'UNAVAILABLE',
        `${outcome.wanted} replicas were to answer, and in time ${outcome.answered} did`,
        {
          hint:
            kind === 'written'
              ? 'the write may have happened, or happen yet: read the key before you write it again'
              : 'are enough nodes up? A smaller r asks fewer, and may show what is old',
        },
      )
    case 'refused':
      throw new BedplateError('CONFLICT', `the request was refused: ${outcome.reason}`)
    case 'written':
    case 'found':
    case 'changing':
    case 'repaired':
      throw new BedplateError('INTERNAL', `a request ended with ${outcome.kind}`)
    default:
      return assertNever(outcome)
  }
}

/** The ring that a founder begins with; undefined for a node that joins. */
function foundingNote({
  name,
  nodes,
  replicas,
  virtualNodes,
  joins = false,
}: PartitionedNodeOptions): RingRecord | undefined {
  if (typeof nodes !== 'object' || nodes === null || !Object.hasOwn(nodes, name)) {
    throw refusal(`nodes must be an object of addresses with "${name}" among them, got ${describe(nodes)}`)
  }
  const names = Object.keys(nodes)
  for (const each of names) checkName(each)
  for (const [each, { host, port }] of Object.entries(nodes)) {
    if (typeof host !== 'string' || host === '' || !Number.isInteger(port)) {
      throw refusal(`the address of ${each} must be { host, port }, got ${describe({ host, port })}`)
    }
  }
  if (joins) return undefined
  const count = replicas ?? Math.min(DEFAULT_REPLICAS, names.length)
  checkCount('replicas', count, names.length, 'nodes')
  const ring = buildRing(
    names.map((each) => ({ name: each })),
    virtualNodes === undefined ? {} : { virtualNodes },
  )
  return foundingRecord(ring, count)
}

/** @throws INVALID_INPUT for a name that commands and directories could not show as it is. */
export function checkName(name: string): void {
  if (NAME.test(name) && name.length <= 64) return
  throw new BedplateError('INVALID_INPUT', `${JSON.stringify(name.slice(0, 80))} is no name of a node`, {
    hint: 'take up to 64 letters, digits, dots, dashes and underscores, a letter or digit first: node1',
  })
}

function checkCount(what: string, count: number, most: number, of = 'replicas'): void {
  if (Number.isInteger(count) && count >= 1 && count <= most) return
  throw new BedplateError('INVALID_INPUT', `${what} must be a whole number from 1 to ${most}, the ${of}, got ${count}`)
}

function refusal(message: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `openPartitionedNode: ${message}`)
}
