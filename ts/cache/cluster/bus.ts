// The cluster bus over TCP, and the file nodes.conf: the driver of the gossip engine. It does what the engine says, in order, and tells
// it what comes of it. A connection carries messages both ways: whoever opened it pings, the other one answers on it.
import { BedplateError, isCode } from '../../base/errors.ts'
import type { Cancel, Clock } from '../../io/clock.ts'
import { type Disk, type DiskLock, joinPath, parentDirectory } from '../../io/disk.ts'
import type { Address, Connection, ConnectionEvents, Listener, Network } from '../../io/network.ts'
import type { Random } from '../../io/random.ts'
import type { Logger } from '../../service/index.ts'
import { makeDirectories } from '../persistence/files.ts'
import { BusDecoder, encodeBusMessage } from './bus-codec.ts'
import type { BusMessage } from './bus-message.ts'
import type { GossipEffect, ReplicationView, SlotKeys } from './context.ts'
import { GossipEngine, type GossipEvent } from './gossip.ts'
import { parseNodesConf, renderNodesConf } from './nodes-conf.ts'
import type { ClusterOrder } from './orders.ts'
import { newNode, Topology } from './topology.ts'
import { type GossipOptions, NodeFlag, TICK_MS } from './types.ts'

/** What a node does for its cluster beside talking: each is called in the order in which the engine decides. */
export interface BusListener {
  /** Become a replica of who is at this address, perhaps with other data than what is here; or be one no more. */
  follow(master: Address, isOther: boolean): void
  promote(): void
  /** The keys of these slots are not ours any more. */
  dropKeys(slots: readonly number[]): void
  pause(untilMs: number): void
  resume(): void
  deliver(channel: string, message: string, isSharded: boolean): void
  slotsChanged(): void
  /** Nothing can be made durable any more: the node must not go on. */
  failed(error: unknown): void
}

export interface BusOptions {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Where nodes.conf lies; undefined keeps it nowhere: a node that starts again is then a new one. */
  readonly store: { readonly disk: Disk; readonly path: string } | undefined
  /** What others are told of where clients connect and where nodes do; 0 for where this listens. */
  readonly announcedPort: number
  readonly announcedBusPort: number
  readonly gossip: GossipOptions
  readonly keys: SlotKeys
  readonly replication: ReplicationView
  readonly listener: BusListener
}

/** What waits for a peer that does not read; more, and its connection is closed. */
const MAX_WAITING_BYTES = 64 * 2 ** 20
/** What waits for a write of nodes.conf, about. Messages beyond it are lost, as those are whose connection is gone. */
const MAX_UNSENT_BYTES = 64 * 2 ** 20
/** What a message costs beside the text of a channel's. */
const MESSAGE_BYTES = 4096
const NANOS_A_MILLI = 1e6
const MAX_FILE_BYTES = 64 * 2 ** 20
/** Connections that others may have open: two for each node there should be. */
const MAX_CONNECTIONS = 4096

/** One node's part of the bus. `start`, then orders, then `stop`. */
export class Bus {
  readonly engine: GossipEngine
  readonly #options: BusOptions
  readonly #startedMs: number
  readonly #startedNanos: number
  #listener: Listener | undefined
  /** Connections that this node has opened, by link; undefined while one is being opened. */
  readonly #ours = new Map<number, Connection | undefined>()
  readonly #theirs = new Map<number, Connection>()
  #nextConnection = 1
  #cancelTick: Cancel | undefined
  /** Two nodes with one nodes.conf would take themselves for the same. */
  #lock: DiskLock | undefined
  /** The last write that was ordered, the last that is durable, and what has to be written. */
  #ordered = 0
  #durable = 0
  #isWriting = false
  #wanted: { readonly write: number; readonly conf: string } | undefined
  /** Messages that wait for a write, and their bytes. */
  #unsent: (GossipEffect & { kind: 'send' | 'answer' })[] = []
  #unsentBytes = 0
  /** What is to be done when writes are durable. */
  #awaiting: { readonly write: number; readonly done: () => void }[] = []
  #isStopped = false

  /** @throws CORRUPTION if nodes.conf is damaged, IO if it cannot be read. */
  constructor(options: BusOptions) {
    this.#options = options
    const { clock, store, random, gossip } = options
    this.#startedMs = clock.now()
    this.#startedNanos = clock.monotonic()
    const conf = store === undefined ? undefined : readConf(store.disk, store.path)
    const topology =
      conf === undefined
        ? new Topology(
            newNode(Buffer.from(random.bytes(20)).toString('hex'), NodeFlag.myself | NodeFlag.master, this.#startedMs),
          )
        : parseNodesConf(conf, this.#startedMs)
    topology.myself.host = gossip.announcedHost || topology.myself.host
    const hasPast = conf !== undefined && topology.nodes.size > 1
    const { keys, replication } = options
    this.engine = new GossipEngine({ topology, random, gossip, keys, replication, hasPast, nowMs: this.#startedMs })
  }

  /** Milliseconds since 1970 that never go back, whatever is done to the clock. */
  get nowMs(): number {
    return this.#startedMs + (this.#options.clock.monotonic() - this.#startedNanos) / NANOS_A_MILLI
  }

  /**
   * Listens, and tells the engine where clients find this node.
   * @returns Where it listens. @throws UNAVAILABLE if the port is taken, LOCKED if another node has the same nodes.conf.
   */
  async start(clientPort: number, listen: Address): Promise<Address> {
    const { network, announcedPort, announcedBusPort, listener, store } = this.#options
    if (store !== undefined) this.#lock = await lockConf(store.disk, store.path)
    this.#listener = await network.listen(listen, (connection) => this.#accept(connection))
    const { address } = this.#listener
    const { myself } = this.engine.topology
    myself.port = announcedPort || clientPort
    myself.busPort = announcedBusPort || address.port
    if (myself.master !== undefined) listener.follow({ host: myself.master.host, port: myself.master.port }, false)
    // The name of the node is durable before anybody hears it.
    this.order({ kind: 'saveConfig' })
    this.#planTick()
    return address
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelTick?.()
    this.#lock?.release()
    this.#listener?.close()
    for (const connection of [...this.#ours.values(), ...this.#theirs.values()]) connection?.destroy()
  }

  /** @returns Why an order is not followed; undefined if it was. */
  order(order: ClusterOrder): string | undefined {
    return this.#step({ kind: 'order', order })
  }

  /** False while something that was ordered may still be forgotten by a crash. */
  get isDurable(): boolean {
    return this.#durable === this.#ordered
  }

  /** Calls `done` once all that was ordered so far is durable. Never, if that fails. */
  whenDurable(done: () => void): void {
    this.#awaiting.push({ write: this.#ordered, done })
  }

  publish(channel: string, message: string, isSharded: boolean): void {
    this.#step({ kind: 'publish', channel, message, isSharded })
  }

  /** The bytes that wait for a peer on our connection to it. */
  waitingBytes(link: number): number {
    return this.#ours.get(link)?.waitingBytes ?? 0
  }

  #planTick(): void {
    this.#cancelTick = this.#options.clock.timer(TICK_MS, () => {
      this.#step({ kind: 'tick' })
      if (!this.#isStopped) this.#planTick()
    })
  }

  #step(event: GossipEvent): string | undefined {
    if (this.#isStopped) return undefined
    let refusal: string | undefined
    for (const effect of this.engine.step(event, this.nowMs)) {
      if (effect.kind === 'refuse') refusal = effect.text
      else this.#perform(effect)
    }
    return refusal
  }

  #perform(effect: GossipEffect): void {
    const { listener, logger } = this.#options
    switch (effect.kind) {
      case 'persist':
        this.#ordered = effect.write
        this.#wanted = { write: effect.write, conf: renderNodesConf(this.engine.topology) }
        void this.#writeConf()
        break
      case 'send':
      case 'answer':
        if (effect.after <= this.#durable && this.#unsent.length === 0) this.#send(effect)
        else this.#keep(effect)
        break
      case 'connect':
        this.#connect(effect)
        break
      case 'disconnect':
        this.#ours.get(effect.link)?.destroy()
        this.#ours.delete(effect.link)
        break
      case 'follow':
        listener.follow({ host: effect.host, port: effect.port }, effect.isOther)
        break
      case 'promote':
        listener.promote()
        break
      case 'dropKeys':
        listener.dropKeys(effect.slots)
        break
      case 'pause':
        // The engine's time and the clock of clients may have parted.
        listener.pause(this.#options.clock.now() + (effect.untilMs - this.nowMs))
        break
      case 'resume':
        listener.resume()
        break
      case 'deliver':
        listener.deliver(effect.channel, effect.message, effect.isSharded)
        break
      case 'slotsChanged':
        listener.slotsChanged()
        break
      case 'note':
        logger.info('cluster', { note: effect.text })
        break
      case 'refuse':
        break
    }
  }

  // Connections.

  #connect({ link, host, port }: GossipEffect & { kind: 'connect' }): void {
    this.#ours.set(link, undefined)
    const events = (connection: Connection): ConnectionEvents => this.#serve(connection, link)
    this.#options.network.connect({ host, port }, events).then(
      (connection) => {
        // It may not be wanted any more.
        if (this.#isStopped || !this.#ours.has(link)) {
          connection.destroy()
          return
        }
        this.#ours.set(link, connection)
        this.#step({ kind: 'opened', link })
      },
      () => this.#lost(link),
    )
  }

  #lost(link: number): void {
    if (!this.#ours.delete(link)) return
    this.#step({ kind: 'closed', link })
  }

  #serve(connection: Connection, link: number): ConnectionEvents {
    const decoder = new BusDecoder()
    return {
      data: (bytes) => {
        if (this.#ours.get(link) === connection) this.#read(decoder, connection, bytes, { kind: 'ours', link })
      },
      drained() {},
      closed: () => this.#lost(link),
    }
  }

  #accept(connection: Connection): ConnectionEvents {
    if (this.#theirs.size >= MAX_CONNECTIONS || this.#isStopped) {
      connection.destroy()
      return { data() {}, drained() {}, closed() {} }
    }
    const number = this.#nextConnection++
    this.#theirs.set(number, connection)
    const decoder = new BusDecoder()
    const [host, localHost] = [hostOf(connection.remote), hostOf(connection.local)]
    return {
      data: (bytes) => this.#read(decoder, connection, bytes, { kind: 'theirs', connection: number, host, localHost }),
      drained() {},
      closed: () => void this.#theirs.delete(number),
    }
  }

  #read(
    decoder: BusDecoder,
    connection: Connection,
    bytes: Uint8Array,
    via: (GossipEvent & { kind: 'message' })['via'],
  ): void {
    decoder.push(bytes)
    try {
      for (let message = decoder.next(); message !== undefined; message = decoder.next()) {
        this.#step({ kind: 'message', via, message })
      }
    } catch (error) {
      if (!isCode(error, 'INVALID_INPUT')) {
        // A bug of ours: what the engine believes cannot be trusted.
        this.stop()
        this.#options.listener.failed(error)
        return
      }
      this.#options.logger.warn('the bus was spoken to in another language', {
        remote: connection.remote,
        error: (error as Error).message,
      })
      connection.destroy()
    }
  }

  /** Keeps a message until what it says is durable, as far as there is room. */
  #keep(effect: GossipEffect & { kind: 'send' | 'answer' }): void {
    const bytes = costOf(effect.message)
    if (this.#unsentBytes + bytes > MAX_UNSENT_BYTES) return
    this.#unsentBytes += bytes
    this.#unsent.push(effect)
  }

  #send(effect: GossipEffect & { kind: 'send' | 'answer' }): void {
    const connection = effect.kind === 'send' ? this.#ours.get(effect.link) : this.#theirs.get(effect.connection)
    if (connection === undefined) return
    if (connection.waitingBytes > MAX_WAITING_BYTES) connection.destroy()
    else connection.write(encodeBusMessage(effect.message))
  }

  // nodes.conf.

  /** Writes what is wanted last, one write at a time; what was wanted meanwhile is in it. */
  async #writeConf(): Promise<void> {
    if (this.#isWriting) return
    this.#isWriting = true
    try {
      while (this.#wanted !== undefined) {
        const { write, conf } = this.#wanted
        this.#wanted = undefined
        const { store } = this.#options
        if (store !== undefined) await writeConf(store.disk, store.path, conf)
        this.#durable = write
        this.#wrote(write)
      }
    } catch (error) {
      if (this.#isStopped) return
      this.stop()
      this.#options.listener.failed(error)
    } finally {
      this.#isWriting = false
    }
  }

  /** What waited for a write may leave, and who waited for it is told. */
  #wrote(write: number): void {
    const waiting = this.#unsent
    this.#unsent = waiting.filter(({ after }) => after > write)
    this.#unsentBytes = this.#unsent.reduce((sum, { message }) => sum + costOf(message), 0)
    for (const effect of waiting) if (effect.after <= write) this.#send(effect)
    const awaiting = this.#awaiting
    this.#awaiting = awaiting.filter((each) => each.write > write)
    for (const each of awaiting) if (each.write <= write && !this.#isStopped) each.done()
  }
}

/** What a message costs while it waits, about. */
function costOf({ body }: BusMessage): number {
  return MESSAGE_BYTES + ('message' in body ? body.channel.length + body.message.length : 0)
}

/** @throws LOCKED if another node has it. */
async function lockConf(disk: Disk, path: string): Promise<DiskLock> {
  const directory = `${path}.lock`
  await makeDirectories(disk, directory)
  try {
    return disk.lock(directory, 'writer')
  } catch (cause) {
    if (!isCode(cause, 'LOCKED')) throw cause
    throw new BedplateError('LOCKED', `${path} is that of another node, which is running`, {
      cause,
      hint: 'every node needs a file of its own: --cluster-config-file',
    })
  }
}

function readConf(disk: Disk, path: string): string | undefined {
  if (disk.kind(path) === undefined) return undefined
  const file = disk.open(path, 'read')
  try {
    const size = file.size()
    if (size > MAX_FILE_BYTES) throw new BedplateError('CORRUPTION', `${path} is too long for a nodes.conf`)
    const bytes = new Uint8Array(size)
    file.read(bytes, 0)
    return size === 0 ? undefined : Buffer.from(bytes).toString('latin1')
  } finally {
    file.close()
  }
}

/** Beside the file, synced, then in its place: a crash leaves the one or the other. */
async function writeConf(disk: Disk, path: string, conf: string): Promise<void> {
  const aside = joinPath(parentDirectory(path), `${path.slice(path.lastIndexOf('/') + 1)}.new`)
  if (disk.kind(aside) !== undefined) disk.unlink(aside)
  const file = disk.open(aside, 'create')
  try {
    file.write(Buffer.from(conf, 'latin1'), 0)
    await file.sync()
  } finally {
    file.close()
  }
  disk.rename(aside, path)
  await disk.syncDirectory(parentDirectory(path))
}

/** The host of `host:port`, without the brackets of IPv6. */
function hostOf(address: string): string {
  const host = address.slice(0, address.lastIndexOf(':')).replaceAll(/[[\]]/g, '')
  return host.startsWith('::ffff:') ? host.slice(7) : host
}
