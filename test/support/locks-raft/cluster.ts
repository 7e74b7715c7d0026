// A replicated lock service in the simulator: members 1 to n, clients from 101 on, and watches of all keys.

import type { Mutant as LocksMutant } from '../../../ts/distributed/locks/mutant.ts'
import { MemoryBackend } from '../../../ts/distributed/locks/mvcc/backend.ts'
import type { Watch } from '../../../ts/distributed/locks/watches.ts'
import type { NodeId, RaftOptions } from '../../../ts/distributed/raft/index.ts'
import {
  checkLinearizable,
  type FaultPlan,
  mix,
  pick,
  Simulation,
  untilNext,
} from '../../../ts/testing/simulation/index.ts'
import { newDurable } from '../raft/durable.ts'
import { Violation } from '../raft/invariants.ts'
import { KEY_MODEL, KeyClient, LockClient } from './clients.ts'
import { type Disk, LocksHost, type Wire } from './host.ts'
import { Observations } from './observations.ts'

export interface ClusterOptions {
  readonly seed: number
  readonly nodeCount: number
  readonly faults: FaultPlan
  readonly tickMs: number
  readonly snapshotEvery: number
  readonly raft: Omit<RaftOptions, 'id' | 'random'>
  readonly mutant: LocksMutant | undefined
  readonly client: { readonly timeoutMs: number; readonly thinkMs: number }
  readonly keyClients: number
  readonly lockClients: number
}

const FIRST_CLIENT = 101
const ALL_KEYS = { key: '', end: 'all' } as const
/** A watch that moves does so about as often. */
const MOVE_MS = 800
const RESTART_MS = 300

export class LocksCluster {
  readonly simulation: Simulation<Wire>
  readonly observations = new Observations()
  readonly nodeIds: readonly NodeId[]
  readonly clients: (KeyClient | LockClient)[] = []
  readonly #hosts = new Map<NodeId, LocksHost>()
  readonly #watchers: Watcher[]

  constructor(options: ClusterOptions) {
    const { seed, nodeCount, faults, tickMs, snapshotEvery, mutant, raft } = options
    const { network, storage, clock } = faults
    this.simulation = new Simulation<Wire>({ seed, network, storage, clock, digest: digestOf })
    this.nodeIds = Array.from({ length: nodeCount }, (_, i) => i + 1)
    // One watch stays with each member through all of its lives; one goes from member to member.
    this.#watchers = [...this.nodeIds.map((id) => new Watcher(this, id)), new Watcher(this, undefined)]
    for (const id of this.nodeIds) {
      const disk: Disk = { durable: newDurable(), records: new MemoryBackend() }
      this.simulation.add(id, () => {
        const host = new LocksHost(id, disk, {
          ...{ simulation: this.simulation, observations: this.observations, tickMs, snapshotEvery, mutant },
          founders: this.nodeIds,
          raft: { ...raft, random: this.simulation.random },
          failed: (code) => {
            this.simulation.note(`${id} ends: ${code}`)
            this.simulation.later(0, () => this.simulation.crash(id))
            // As whoever looks after servers does it; also when all faults have ended meanwhile.
            this.simulation.later(RESTART_MS, () => this.simulation.restart(id))
          },
        })
        this.#hosts.set(id, host)
        for (const watcher of this.#watchers) watcher.started(host)
        return host
      })
    }
    for (let i = 0; i < options.keyClients + options.lockClients; i++) {
      const id = FIRST_CLIENT + i
      const Kind = i < options.keyClients ? KeyClient : LockClient
      this.simulation.add(id, () => {
        const client = new Kind({
          ...{ id, simulation: this.simulation, observations: this.observations, nodes: this.nodeIds },
          ...options.client,
        })
        this.clients.push(client)
        return client
      })
    }
    this.#moveLater()
  }

  get clientIds(): number[] {
    return this.clients.map((_, i) => FIRST_CLIENT + i)
  }

  /** That of the highest term which is up. */
  get leader(): NodeId | undefined {
    const leaders = this.#up().filter(({ node }) => node.status.role === 'leader')
    return leaders.sort((a, b) => b.node.status.term - a.node.status.term)[0]?.id
  }

  get term(): number {
    return Math.max(...[...this.#hosts.values()].map(({ node }) => node.status.term))
  }

  host(id: NodeId): LocksHost {
    return this.#hosts.get(id) as LocksHost
  }

  /** Ends all faults and sees that the members come to one state, and that clients saw one. @returns False if it is not known. */
  converge(mostMs: number): boolean {
    this.simulation.heal()
    for (const client of this.clients) client.isStopping = true
    if (!this.simulation.runUntil(() => this.#isAtRest(), mostMs)) {
      const states = this.nodeIds.map((id) => JSON.stringify(this.host(id).node.status))
      throw new Violation('liveness', `not at rest ${mostMs} ms after all faults ended\n${states.join('\n')}`)
    }
    const [first, ...others] = this.nodeIds.map((id) => this.host(id).machine)
    for (const machine of others) {
      if (!Buffer.from(machine.records()).equals(first?.records() ?? new Uint8Array(0))) {
        throw new Violation('equal replicas', 'members that are at rest have other records')
      }
    }
    for (const watcher of this.#watchers) watcher.checkAll(first?.state.store.revision ?? 0)
    return this.#checkHistory()
  }

  #checkHistory(): boolean {
    const history = this.clients.flatMap((client) => (client instanceof KeyClient ? client.history : []))
    const verdict = checkLinearizable(history, KEY_MODEL)
    if (verdict.outcome === 'not linearizable') {
      throw new Violation('linearizability', `of key ${verdict.key}, in ${history.length} operations`)
    }
    return verdict.outcome === 'linearizable'
  }

  #isAtRest(): boolean {
    const { leader } = this
    if (leader === undefined || this.clients.some((client) => !client.isIdle)) return false
    const { state } = this.host(leader).machine
    const { lastIndex, appliedIndex } = this.host(leader).node.status
    return (
      [...state.leases.all()].length === 0 && // also those that nobody has revoked
      appliedIndex === lastIndex &&
      this.nodeIds.every((id) => this.host(id).node.status.appliedIndex === lastIndex)
    )
  }

  #up(): LocksHost[] {
    return [...this.#hosts.values()].filter(({ id }) => this.simulation.isUp(id))
  }

  #moveLater(): void {
    this.simulation.later(untilNext(this.simulation.random, MOVE_MS), () => {
      const up = this.#up()
      if (up.length > 0) this.#watchers.at(-1)?.move(pick(this.simulation.random, up))
      this.#moveLater()
    })
  }
}

/** A watch of all keys from the first revision on, which goes on where it was when its member is gone. */
class Watcher {
  readonly #cluster: LocksCluster
  readonly #member: NodeId | undefined
  #watch: Watch | undefined
  /** It has heard of everything before. */
  #next = 2

  /** @param member - Undefined for one that moves. */
  constructor(cluster: LocksCluster, member: NodeId | undefined) {
    this.#cluster = cluster
    this.#member = member
  }

  started(host: LocksHost): void {
    if (this.#member === host.id) this.move(host)
  }

  move({ id, hub }: LocksHost): void {
    this.#watch?.close()
    const name = `the watch of ${this.#member ?? 'all members'}, at ${id},`
    const watch = hub.add({
      ...{ span: ALL_KEYS, startRevision: this.#next, filters: [], prevKv: false },
      wake: () => this.#take(watch, name),
    })
    this.#watch = watch
    this.#take(watch, name)
  }

  /** Sees that it has heard of all there is. */
  checkAll(revision: number): void {
    if (this.#member !== undefined && this.#next !== revision + 1) {
      throw new Violation(
        'watches',
        `that of ${this.#member} has heard of all up to ${this.#next - 1}, not ${revision}`,
      )
    }
  }

  #take(watch: Watch, name: string): void {
    while (watch === this.#watch && watch.hasMore) {
      const batch = watch.take()
      if (batch.kind === 'compacted') {
        this.#next = batch.compactRevision
        return
      }
      this.#cluster.observations.watched(name, batch.events, { from: this.#next, to: batch.revision })
      this.#next = batch.revision + 1
    }
  }
}

function digestOf(message: Wire): number {
  switch (message.kind) {
    case 'request':
    case 'response':
    case 'ask':
    case 'told':
    case 'forward':
      return message.number
    default:
      return mix(message.kind.length, message.term)
  }
}
