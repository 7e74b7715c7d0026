// A cache server as a node of a cluster: what the engine of commands asks of the cluster, and what the cluster does to it.
import type { Clock } from '../../io/clock.ts'
import type { Address, Network } from '../../io/network.ts'
import type { Random } from '../../io/random.ts'
import type { Logger } from '../../service/index.ts'
import type { ClusterDoor } from '../commands/cluster-door.ts'
import type { Engine } from '../commands/engine.ts'
import type { Session } from '../commands/session.ts'
import type { CommandSpec } from '../commands/specs.ts'
import { Bus, type BusOptions } from './bus.ts'
import type { ReplicationView } from './context.ts'
import { isRedirection, redirection } from './routing.ts'
import { SlotIndex } from './slot-index.ts'
import { slotOf } from './slots.ts'
import { has, isMaster, type Topology } from './topology.ts'
import { type ClusterNode, DEFAULT_GOSSIP_OPTIONS, type GossipOptions, NodeFlag } from './types.ts'

/** How the data of a master comes to its replicas: the cluster says whom to follow, and asks how far one has come. */
export interface ReplicaLink extends ReplicationView {
  /** Become a replica of who is at this address. @param isOther - What is here is no earlier state of that server's data. */
  follow(master: Address, isOther: boolean): void
  /** Be a master, with the data that there is. */
  promote(): void
}

/** What makes a server a node. */
export interface ClusterOptions {
  /** Where the bus listens; port 0 lets the operating system choose. Undefined: where clients connect, 10,000 above if there is such a port. */
  readonly bus?: Address | undefined
  /** What other nodes and clients are told, where that is not what this node sees: behind a proxy, or in a container. */
  readonly announcedPort?: number | undefined
  readonly announcedBusPort?: number | undefined
  /** Where nodes.conf lies; undefined keeps it nowhere. */
  readonly store?: BusOptions['store']
  readonly gossip?: Partial<GossipOptions> | undefined
  readonly allowsReadsWhenDown?: boolean | undefined
  /** Undefined for a node without replication: it cannot be told to be a replica. */
  readonly replication?: ReplicaLink | undefined
}

export interface MemberOptions extends ClusterOptions {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly engine: Engine
  /** All clients that are connected. */
  readonly sessions: () => Iterable<Session>
  /** Runs what changes the engine and no client has asked for, and does what follows from it. */
  readonly intervene: (act: () => void) => void
  /** Holds commands that write until then, or lets them go. */
  readonly pause: (untilMs: number) => void
  readonly resume: () => void
  readonly failed: (error: unknown) => void
}

const BUS_PORT_DISTANCE = 10_000
const MAX_PORT = 65_535
/** Keys that are deleted as one command. */
const KEYS_AT_ONCE = 1000
const NO_REPLICATION: ReplicaLink = {
  offset: 0,
  masterHeardMs: 0,
  isWhole: true,
  isChanging: false,
  follow() {},
  promote() {},
}

/** A node. Give it the engine of a server before its first client. */
export class ClusterMember implements ClusterDoor {
  readonly keys = new SlotIndex()
  readonly #options: MemberOptions
  readonly #bus: Bus
  readonly #replication: ReplicaLink

  /** @throws CORRUPTION if nodes.conf is damaged, IO if it cannot be read. */
  constructor(options: MemberOptions) {
    this.#options = options
    this.#replication = options.replication ?? NO_REPLICATION
    const { engine, network, clock, random, logger, store } = options
    const [database] = engine.databases
    if (database !== undefined) database.keyIndex = this.keys
    engine.cluster = this
    this.#bus = new Bus({
      network,
      clock,
      random,
      logger,
      store,
      announcedPort: options.announcedPort ?? 0,
      announcedBusPort: options.announcedBusPort ?? 0,
      gossip: { ...DEFAULT_GOSSIP_OPTIONS, ...options.gossip },
      keys: {
        countIn: (slot) => this.keys.countIn(slot),
        get size() {
          return database?.size ?? 0
        },
      },
      replication: this.#replication,
      listener: {
        follow: (master, isOther) => this.#replication.follow(master, isOther),
        promote: () => this.#replication.promote(),
        dropKeys: (slots) => this.#dropKeys(slots),
        pause: options.pause,
        resume: options.resume,
        deliver: (channel, message, isSharded) => {
          options.intervene(() => void engine.publish(channel, message, isSharded))
        },
        slotsChanged: () => this.#lookAtClients(),
        failed: options.failed,
      },
    })
  }

  /** @param client - Where clients connect. @returns Where the bus listens. @throws UNAVAILABLE if the port is taken */
  start(client: Address): Promise<Address> {
    const { bus } = this.#options
    const port = client.port + BUS_PORT_DISTANCE
    return this.#bus.start(client.port, bus ?? { host: client.host, port: port > MAX_PORT ? 0 : port })
  }

  stop(): void {
    this.#bus.stop()
  }

  get topology(): Topology {
    return this.#bus.engine.topology
  }

  get messageCounts(): { readonly sent: number; readonly received: number } {
    return this.#bus.engine.messageCounts
  }

  isRedirection(refusal: string): boolean {
    return isRedirection(refusal)
  }

  /** Why a command is not run here; undefined if it may be. */
  redirection(session: Session, command: CommandSpec, args: readonly string[]): string | undefined {
    return redirection(
      {
        topology: this.topology,
        allowsReadsWhenDown: this.#options.allowsReadsWhenDown === true,
        hasKey: (key) => this.#options.engine.databases[0]?.has(key) === true,
        endpointOf: ({ host, port }) => `${host}:${port}`,
      },
      session,
      command,
      args,
    )
  }

  published({ channel, message, isSharded }: Parameters<ClusterDoor['published']>[0]): void {
    this.#bus.publish(channel, message, isSharded)
  }

  order(order: Parameters<ClusterDoor['order']>[0]): string | undefined {
    if (order.kind === 'replicate' && this.#options.replication === undefined) {
      return 'ERR this server has no replication: it cannot be a replica'
    }
    return this.#bus.order(order)
  }

  get isDurable(): boolean {
    return this.#bus.isDurable
  }

  whenDurable(done: () => void): void {
    this.#bus.whenDurable(() => this.#options.intervene(done))
  }

  failureReports(node: ClusterNode): number {
    return this.#bus.engine.failureReports(node)
  }

  offsetOf(node: ClusterNode): number {
    return has(node, NodeFlag.myself) ? this.#replication.offset : node.offset
  }

  waitingBytes({ link }: ClusterNode): number {
    return link === undefined ? 0 : this.#bus.waitingBytes(link)
  }

  #dropKeys(slots: readonly number[]): void {
    const { engine, intervene } = this.#options
    const del = engine.find(['DEL'])
    if (typeof del === 'string') return
    intervene(() => {
      const session = engine.connect()
      for (const slot of slots) {
        for (
          let keys = this.keys.keysIn(slot, KEYS_AT_ONCE);
          keys.length > 0;
          keys = this.keys.keysIn(slot, KEYS_AT_ONCE)
        ) {
          engine.run(session, del, ['DEL', ...keys], false)
        }
      }
      engine.disconnect(session)
    })
  }

  /** Sends clients elsewhere that wait here for keys, or listen to sharded channels, of slots that are not ours any more. */
  #lookAtClients(): void {
    const { sessions, intervene } = this.#options
    const touched = [...sessions()].filter(
      ({ blocked, shardChannels }) => blocked !== undefined || shardChannels.size > 0,
    )
    if (touched.length === 0) return
    intervene(() => {
      for (const session of touched) {
        this.#redirectWaiting(session)
        for (const channel of [...session.shardChannels]) this.#endSubscription(session, channel)
      }
    })
  }

  #redirectWaiting(session: Session): void {
    const { engine } = this.#options
    const key = session.blocked?.keys[0]
    if (key === undefined) return
    const slot = slotOf(key)
    const owner = this.topology.ownerOf(slot)
    const { myself } = this.topology
    let text: string | undefined
    if (owner === undefined) text = 'CLUSTERDOWN Hash slot not served'
    else if (!this.topology.isUp) text = 'CLUSTERDOWN The cluster is down'
    else if (owner !== myself && !this.topology.importing.has(slot) && !this.#isReadHere(session, owner)) {
      text = `MOVED ${slot} ${owner.host}:${owner.port}`
    }
    const error = text
    if (error !== undefined) engine.release(session, () => session.reply.error(error))
  }

  #isReadHere(session: Session, owner: ClusterNode): boolean {
    const { myself } = this.topology
    const reads = session.blocked?.command.flags.has('write') === false && session.readsReplicas
    return reads && !isMaster(myself) && myself.master === owner
  }

  #endSubscription(session: Session, channel: string): void {
    const { engine } = this.#options
    const owner = this.topology.ownerOf(slotOf(channel))
    const { myself } = this.topology
    if (owner === myself || (owner !== undefined && owner === myself.master)) return
    engine.pubsub.unsubscribe(session, channel, true)
    session.reply.push(3)
    session.reply.bulk('sunsubscribe')
    session.reply.bulk(channel)
    session.reply.integer(session.shardChannels.size)
    engine.effect({ kind: 'reply', session })
  }
}
