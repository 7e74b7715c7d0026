// A node of the partitioned store on its machine: one data directory, one port, one engine.
import { assertNever, BedplateError } from '../../../base/errors.ts'
import { checkOptions, describe } from '../../../base/options.ts'
import type { Clock } from '../../../io/clock.ts'
import {
  type Address,
  type Connection,
  type ConnectionEvents,
  type Network,
  showAddress,
  type TlsFiles,
} from '../../../io/network.ts'
import type { Random } from '../../../io/random.ts'
import { type Links, openLinks } from '../../link/index.ts'
import { positionOf } from '../hash.ts'
import { buildRing } from '../ring.ts'
import type { Ring } from '../types.ts'
import { Driver } from './driver.ts'
import { beginLife, claim, type RingRecord, ringOf } from './identity.ts'
import { checkKey, checkValue } from './limits.ts'
import { storeProtocol } from './link-protocol.ts'
import { type Hello, NONCE_BYTES } from './message-codec.ts'
import { type Bytes, NodeStorage } from './storage.ts'
import type { Message, Outcome } from './types.ts'
import { decodeContext, encodeContext, lastWrite, NO_CONTEXT, type Versions } from './versions.ts'

/** Who a node is, and where the others are. */
export interface PartitionedNodeOptions {
  /** This node: never that of another one of the same cluster, nor used again after its disk is lost. */
  readonly name: string
  /** The nodes that the cluster is founded with, and where each is reached: in the same order on all of them. */
  readonly nodes: Readonly<Record<string, Address>>
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

/** What a node says of itself. */
export interface NodeStatus {
  readonly name: string
  readonly clusterId: string
  readonly epoch: number
  readonly life: number
  readonly replicas: number
  readonly reads: number
  readonly writes: number
  /** The part of the ring that it holds as the first of its replicas; 0 to 1. */
  readonly share: number
  /** The nodes that there is a connection to. */
  readonly connected: readonly string[]
  /** Requests that are under way, and hints that wait for their node. */
  readonly requests: number
  readonly hints: number
  readonly failure: string | undefined
}

const TYPES = {
  name: 'string',
  nodes: 'any',
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
  memoryBytes: 'number',
  onTrouble: 'function',
} as const
const DEFAULT_REPLICAS = 3
const DEFAULT_TICK_MS = 100
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
  const { name, nodes, clusterId = 'default', create = false, memoryBytes = DEFAULT_MEMORY_BYTES } = options
  const founding = foundingRecord(options)
  const store = await seams.openStore(path, { create, memoryBytes })
  try {
    const storage = new NodeStorage(store)
    const { incarnation } = await claim(storage, { clusterId, name, path, random: seams.random })
    const { record, ring } = await ringOf(storage, founding)
    checkMembers(ring, Object.keys(nodes), path)
    const life = await beginLife(storage)
    const node = new PartitionedNode(seams, options, { store, storage, record, ring, life, incarnation })
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
  readonly record: RingRecord
  readonly ring: Ring
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
  private readonly reads: number
  private readonly writes: number
  private readonly share: number
  private links: Links<string, Hello, Message> | undefined
  private underWayBytes = 0
  private failure: Error | undefined
  private isClosed = false

  constructor(seams: NodeSeams, options: PartitionedNodeOptions, parts: Parts) {
    const { storage, record, ring, life } = parts
    const { name, tickMs = DEFAULT_TICK_MS } = options
    this.seams = seams
    this.options = options
    this.parts = parts
    const majority = Math.floor(record.replicas / 2) + 1
    this.reads = options.reads ?? majority
    this.writes = options.writes ?? majority
    checkCount('reads', this.reads, record.replicas)
    checkCount('writes', this.writes, record.replicas)
    this.share = ring.shares().get(name) ?? 0
    this.failed = new Promise((_resolve, reject) => {
      this.fail = reject
    })
    this.failed.catch(() => {}) // whoever runs the node looks at it
    this.driver = new Driver({
      ...{ storage, clock: seams.clock, tickMs },
      engine: { name, ring, life },
      send: (to, message) => this.send(to, message),
      onFailure: (error) => {
        this.failure = error
        this.fail(error)
      },
    })
  }

  get name(): string {
    return this.options.name
  }

  /** Where this node listens. */
  get address(): Address {
    return this.opened.address
  }

  /** Who holds what, and in how many copies. */
  get ring(): Ring {
    return this.parts.ring
  }

  get record(): RingRecord {
    return this.parts.record
  }

  /** Where nodes are reached. */
  get addresses(): Readonly<Record<string, Address>> {
    return this.options.nodes
  }

  get status(): NodeStatus {
    const { record, life } = this.parts
    const { name, clusterId = 'default' } = this.options
    const { requests, hints } = this.driver.status
    return {
      ...{ name, clusterId, epoch: record.epoch, life, replicas: record.replicas },
      ...{ reads: this.reads, writes: this.writes, share: this.share, connected: this.links?.connected ?? [] },
      ...{ requests, hints, failure: this.failure?.message },
    }
  }

  /** Begins to take part. @throws UNAVAILABLE if the port is taken, PERMISSION, INVALID_INPUT */
  async listen(): Promise<void> {
    const { clock, random, network, onStranger } = this.seams
    const { name, nodes, clusterId = 'default', secret = '', tls, onTrouble } = this.options
    const { incarnation } = this.parts
    this.links = await openLinks({
      ...{ network, clock, random, tls, onStranger, onTrouble, id: name, protocol: storeProtocol(secret) },
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
    const { replicas: all } = this.parts.record
    const replicas = n ?? all
    checkCount('n', replicas, all)
    const answers = count ?? Math.min(fallback, replicas)
    checkCount(what, answers, replicas)
    return { replicas, answers }
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
      throw new BedplateError('CONFLICT', `the write was refused: ${outcome.reason}`)
    case 'written':
    case 'found':
      throw new BedplateError('INTERNAL', `a request ended with ${outcome.kind}`)
    default:
      return assertNever(outcome)
  }
}

function foundingRecord({ name, nodes, replicas, virtualNodes }: PartitionedNodeOptions): RingRecord {
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
  const count = replicas ?? Math.min(DEFAULT_REPLICAS, names.length)
  checkCount('replicas', count, names.length, 'nodes')
  const ring = buildRing(
    names.map((each) => ({ name: each })),
    virtualNodes === undefined ? {} : { virtualNodes },
  )
  return { version: 1, epoch: 1, replicas: count, ring: ring.describe() }
}

/** @throws INVALID_INPUT for a name that commands and directories could not show as it is. */
export function checkName(name: string): void {
  if (NAME.test(name) && name.length <= 64) return
  throw new BedplateError('INVALID_INPUT', `${JSON.stringify(name.slice(0, 80))} is no name of a node`, {
    hint: 'take up to 64 letters, digits, dots, dashes and underscores, a letter or digit first: node1',
  })
}

/** The directory knows the members; the list must be theirs, whatever its order. */
function checkMembers(ring: Ring, names: readonly string[], path: string): void {
  const members = ring.nodes.map(({ name }) => name)
  if (members.length === names.length && members.every((name) => names.includes(name))) return
  throw new BedplateError(
    'INVALID_INPUT',
    `${path} belongs to a cluster of ${members.join(', ')}, and not of ${names.join(', ')}`,
    { hint: 'start it with the nodes that it has, or a new cluster in another directory' },
  )
}

function checkCount(what: string, count: number, most: number, of = 'replicas'): void {
  if (Number.isInteger(count) && count >= 1 && count <= most) return
  throw new BedplateError('INVALID_INPUT', `${what} must be a whole number from 1 to ${most}, the ${of}, got ${count}`)
}

function refusal(message: string): BedplateError {
  return new BedplateError('INVALID_INPUT', `openPartitionedNode: ${message}`)
}

/** Where a node is reached, as text. */
export function addressesOf(node: PartitionedNode): Record<string, string> {
  return Object.fromEntries(Object.entries(node.addresses).map(([name, address]) => [name, showAddress(address)]))
}
