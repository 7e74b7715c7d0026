import { isRedirection, redirection } from '../../../ts/cache/cluster/routing.ts'
import { SlotIndex } from '../../../ts/cache/cluster/slot-index.ts'
import { newNode, Topology } from '../../../ts/cache/cluster/topology.ts'
import { type ClusterNode, NodeFlag } from '../../../ts/cache/cluster/types.ts'
import type { Message } from '../../../ts/cache/commands/pubsub-registry.ts'
import { CacheBed } from '../cache.ts'

/** An engine that is one of two masters, or a replica, of a cluster in hand. */
export class RoutedBed extends CacheBed {
  readonly topology: Topology
  readonly other: ClusterNode
  readonly keys = new SlotIndex()
  readonly published: Message[] = []

  constructor(role: 'master' | 'replica' = 'master') {
    const myself = newNode('a'.repeat(40), NodeFlag.myself, 0)
    const topology = new Topology(myself)
    const other = newNode('b'.repeat(40), NodeFlag.master, 0)
    other.host = '10.0.0.2'
    other.port = 7001
    topology.add(other)
    if (role === 'master') myself.flags |= NodeFlag.master
    else {
      myself.flags |= NodeFlag.replica
      myself.master = other
    }
    topology.isUp = true
    const keys = new SlotIndex()
    const engine = (): RoutedBed => this
    super({
      refuse: (session, command, args) =>
        redirection(
          {
            topology,
            allowsReadsWhenDown: false,
            hasKey: (key) => engine().engine.databases[0]?.has(key) === true,
            endpointOf: ({ host, port }) => `${host}:${port}`,
          },
          session,
          command,
          args,
        ),
    })
    this.topology = topology
    this.other = other
    this.keys = keys
    const [database] = this.engine.databases
    if (database !== undefined) database.keyIndex = keys
    this.engine.cluster = {
      topology,
      keys,
      messageCounts: { sent: 0, received: 0 },
      isRedirection,
      published: (message) => void this.published.push(message),
      order: () => undefined,
      failureReports: () => 0,
      offsetOf: ({ offset }) => offset,
      isDurable: true,
      whenDurable() {},
      waitingBytes: () => 0,
    }
  }

  /** Gives slots to this node or to the other one. */
  own(node: ClusterNode, ...slots: readonly number[]): void {
    for (const slot of slots) {
      this.topology.unassign(slot)
      this.topology.assign(slot, node)
    }
  }
}
