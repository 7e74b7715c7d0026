// A cluster as the scenarios of MIT's Raft lab (6.5840, "Lab 3: Raft") see it: nodes that are cut off and joined again, commands
// that are given to whoever says that it leads, and the question how many nodes have executed what.
import { encodeMessage, type Message, type NodeId } from '../../../ts/distributed/raft/index.ts'
import { chance, HEALTHY_NETWORK, type NetworkFaults, wholeBetween } from '../../../ts/testing/simulation/index.ts'
import { Cluster, type ClusterOptions } from './cluster.ts'
import { Violation } from './invariants.ts'

/** Loses a tenth of all messages and delays the others. */
const UNRELIABLE: NetworkFaults = {
  ...{ minDelayMs: 0.5, meanDelayMs: 13, lossRate: 0.1, duplicateRate: 0, lateRate: 0, lateMs: 0, reorders: true },
}
/** On top of that, messages are so late that they come from another time. */
const REORDERING: NetworkFaults = { ...UNRELIABLE, lateRate: 0.3, lateMs: 600 }

/** Longer than any election takes, without faults. */
export const ELECTION_MS = 1000
/** How long a command may take. */
const AGREEMENT_MS = 10_000
/** After so long a command that was given to a leader of the past is given to another one. */
const PATIENCE_MS = 2000
const REQUESTS: readonly Message['kind'][] = ['requestVote', 'append', 'heartbeat', 'snapshotChunk']

/** A command as a node took it. */
export interface Started {
  readonly index: number
  readonly term: number
  readonly command: Uint8Array
}

export class Lab {
  readonly cluster: Cluster
  /** Messages between nodes that ask for something, as a remote procedure call does; and the bytes of all messages. */
  readonly sent = { requests: 0, refusals: 0, bytes: 0 }
  private readonly cuts = new Map<NodeId, () => void>()
  private nextCommand = 1

  constructor(options: Omit<ClusterOptions, 'faults'>) {
    this.cluster = new Cluster(options)
    this.cluster.filter = (_, __, message) => {
      if (REQUESTS.includes(message.kind)) this.sent.requests++
      if (message.kind === 'refused') this.sent.refusals++
      this.sent.bytes += encodeMessage(1, message).length
      return true
    }
  }

  get nodeIds(): readonly NodeId[] {
    return this.cluster.nodeIds
  }

  /** Nodes that are up and not cut off. */
  get connected(): NodeId[] {
    return this.nodeIds.filter((id) => this.cluster.simulation.isUp(id) && !this.cuts.has(id))
  }

  get lastTerm(): number {
    return Math.max(...this.nodeIds.map((id) => this.cluster.status(id).term))
  }

  network(kind: 'reliable' | 'unreliable' | 'reordering'): void {
    const faults = { reliable: HEALTHY_NETWORK, unreliable: UNRELIABLE, reordering: REORDERING }
    this.cluster.simulation.network.faults = faults[kind]
  }

  /** Cuts nodes off from everybody, also from each other. */
  disconnect(...ids: readonly NodeId[]): void {
    for (const id of ids) {
      if (this.cuts.has(id)) continue
      const others = [...this.nodeIds.filter((each) => each !== id), ...this.cluster.clientIds]
      this.cuts.set(id, this.cluster.simulation.network.separate([id], others))
    }
  }

  connect(...ids: readonly NodeId[]): void {
    for (const id of ids) {
      this.cuts.get(id)?.()
      this.cuts.delete(id)
    }
  }

  crash(...ids: readonly NodeId[]): void {
    for (const id of ids) this.cluster.simulation.crash(id)
  }

  restart(...ids: readonly NodeId[]): void {
    for (const id of ids) this.cluster.simulation.restart(id)
  }

  runFor(ms: number): void {
    this.cluster.simulation.runFor(ms)
  }

  others(...ids: readonly NodeId[]): NodeId[] {
    return this.nodeIds.filter((id) => !ids.includes(id))
  }

  /** The connected leader of the highest term, which the connected nodes follow. @throws Violation if there is none. */
  leader(): NodeId {
    let found: NodeId | undefined
    const isThere = (): boolean => {
      const { connected } = this
      const leaders = connected.filter((id) => this.cluster.status(id).role === 'leader')
      found = leaders.sort((a, b) => this.cluster.status(b).term - this.cluster.status(a).term)[0]
      if (found === undefined) return false
      const { term } = this.cluster.status(found)
      const followers = connected.filter((id) => this.cluster.status(id).term === term)
      return followers.length > this.nodeIds.length / 2
    }
    if (!this.cluster.simulation.runUntil(isThere, 5 * ELECTION_MS)) throw new Violation('liveness', 'nobody leads')
    return found as NodeId
  }

  /** Nodes that are connected and say that they lead. */
  leaders(): NodeId[] {
    return this.connected.filter((id) => this.cluster.status(id).role === 'leader')
  }

  /** A command that no other one is equal to. */
  command(sizeBytes = 8): Uint8Array {
    const bytes = new Uint8Array(sizeBytes)
    new DataView(bytes.buffer).setUint32(0, this.nextCommand++)
    return bytes
  }

  /** Gives a command to a node. @returns undefined if it does not lead. */
  start(id: NodeId, command: Uint8Array = this.command()): Started | undefined {
    const request = this.cluster.ask(id, (each) => ({ kind: 'propose', proposals: [{ id: each, command }] }))
    const { lastIndex, term } = this.cluster.status(id)
    const outcome = this.cluster.outcomes.get(request)
    return outcome?.kind === 'refused' ? undefined : { index: lastIndex, term, command }
  }

  /** How many nodes have executed the command. */
  executedBy({ index, command }: Started): number {
    const entry = this.cluster.invariants.entryAt(index)
    if (entry?.kind !== 'command' || Buffer.compare(entry.command, command) !== 0) return 0
    return this.nodeIds.filter((id) => this.cluster.status(id).appliedIndex >= index).length
  }

  /**
   * Has a command executed by at least `nodes` nodes; gives it again to another leader if that of the past is gone.
   * @returns Where it was. @throws Violation if that takes too long.
   */
  agree(nodes: number, command: Uint8Array = this.command()): number {
    const { simulation } = this.cluster
    const end = simulation.nowMs + AGREEMENT_MS
    while (simulation.nowMs < end) {
      const started = this.connected.map((id) => this.start(id, command)).find((each) => each !== undefined)
      if (started === undefined) {
        simulation.runFor(20)
        continue
      }
      const isDone = (): boolean => this.executedBy(started) >= nodes
      if (simulation.runUntil(isDone, PATIENCE_MS)) return started.index
    }
    throw new Violation('liveness', `no ${nodes} nodes agree within ${AGREEMENT_MS} ms`)
  }

  /** True with the given probability, as the seed will have it. */
  maybe(probability: number): boolean {
    return chance(this.cluster.simulation.random, probability)
  }

  between(low: number, high: number): number {
    return wholeBetween(this.cluster.simulation.random, low, high)
  }
}
