// What every part of a node stands on: what it knows of the ring, what is on its disk and what is not yet, what it says to others.
//
// A step reads the store before it writes: what it persists can be read at once by `known`, by a scan in the next step only.
import { lacks } from '../../../storage/mutant.ts'
import { buildRing } from '../ring.ts'
import { type KnownOptions, knownOptions, WRITER_MARK } from './check-options.ts'
import { Gossip, type Sent } from './gossip.ts'
import { Layout } from './layout.ts'
import type { Mutant } from './mutant.ts'
import { isBrokenRecord, NO_RING, type RingState, readRecord } from './ring-state.ts'
import { Trees } from './trees.ts'
import type { Effect, MessageBody, Notes, RequestId, StoreOptions } from './types.ts'
import { UnderWay } from './under-way.ts'
import { NO_VERSIONS, type Versions } from './versions.ts'

/** The foundation of a node. */
export class Replica {
  protected readonly options: KnownOptions
  protected readonly mutant: Mutant | undefined
  protected readonly gossip: Gossip
  protected readonly underWay = new UnderWay()
  protected nowTick = 0
  protected state: RingState
  protected layout: Layout
  protected trees: Trees
  /** Everything this node sends may come from the era before this one, and nothing from earlier ones. */
  protected era: number
  /** What this node calls itself where it names writes. */
  protected writer: string
  protected purged: number
  /** Why this node cannot serve, ever. */
  protected problem: string | undefined
  /** Of the last ring that was learned; it holds when it is on disk. */
  private learnedEpoch: number
  private askedTick = -1
  private numbers = 0
  private writes = 0
  private durableWrite = 0
  /** For each key, the last write of it that is not on disk yet. */
  private readonly unsynced = new Map<string, number>()
  /** What waits for a write to be on disk, in order of the writes. */
  private held: { readonly write: number; readonly act: () => void }[] = []
  /** What this step has persisted, and the store does not show yet. */
  private readonly fresh = new Map<string, Versions | undefined>()
  private effects: Effect[] = []

  /** @throws INVALID_INPUT for options that cannot be, CORRUPTION for a note that no node can have left behind. */
  constructor(options: StoreOptions) {
    this.options = knownOptions(options)
    this.mutant = options.mutant
    const { name, life, clusterId, address = '', random, gossipTicks, notes = {} } = this.options
    this.state = notes.ring === undefined ? NO_RING : readRecord(notes.ring)
    this.learnedEpoch = this.state.epoch
    this.layout = new Layout(this.state)
    this.trees = new Trees(this.layout.heldBy(name), this.options.treeDepth)
    this.era = notes.era ?? 0
    this.writer = notes.writer ?? name
    this.purged = notes.purged ?? 0
    const { epoch } = this.state
    const facts = { address, epoch, filled: 0, swept: 0, era: this.era, floor: 0 }
    this.gossip = new Gossip({ name, clusterId, life, facts, random, intervalTicks: gossipTicks })
    this.meetAll()
  }

  protected get name(): string {
    return this.options.name
  }

  protected beginStep(): void {
    this.effects = []
    this.fresh.clear()
  }

  protected endStep(): Effect[] {
    return this.effects
  }

  // ---- The ring ----

  /** A newer ring holds when it is on disk, so that no crash takes a node back to an older one after others have heard of the newer. */
  protected learnRing(given: unknown): void {
    const epoch = (given as { epoch?: unknown } | undefined)?.epoch
    if (typeof epoch !== 'number' || epoch <= this.learnedEpoch) return
    let state: RingState
    try {
      state = readRecord(given)
    } catch (error) {
      if (isBrokenRecord(error)) return
      throw error
    }
    if (this.state.epoch === 0 && state.ring.node(this.name) !== undefined) {
      // A member always has a ring on its disk. It may have named writes that it knows nothing of.
      this.problem = `"${this.name}" belongs to the ring, and its disk is empty: replace it by a node with another name`
      return
    }
    this.learnedEpoch = state.epoch
    this.adopting(state)
    const isNewcomer = new Layout(state).legsOf(this.name).length > 0
    const notes: Partial<Notes> = {
      ring: state.record,
      progress: { epoch: state.epoch, leg: 0, after: undefined, keys: 0, bytes: 0 },
      ...(isNewcomer ? { writer: `${this.name}${WRITER_MARK}${state.epoch}` } : {}),
    }
    const adopt = (): void => {
      this.state = state
      this.layout = new Layout(state)
      this.writer = notes.writer ?? this.writer
      this.trees = new Trees(this.layout.heldBy(this.name), this.options.treeDepth, this.trees)
      this.gossip.tell({ epoch: state.epoch })
      this.meetAll()
      this.adopted()
    }
    const isHasty = lacks(this.mutant, 'durable before adopting')
    this.persistNotes(notes, isHasty ? () => {} : adopt)
    if (isHasty) adopt()
  }

  /** Another ring is about to hold: what is written here is on disk when the ring is. */
  protected adopting(_next: RingState): void {}

  /** Another ring holds now. */
  protected adopted(): void {}

  /** Asks for the ring of somebody who has a newer one; at most once a tick. */
  protected askRing(whom: string, epoch: number): void {
    if (epoch <= this.learnedEpoch || this.askedTick === this.nowTick) return
    this.askedTick = this.nowTick
    this.send(whom, { kind: 'askRing' })
  }

  private meetAll(): void {
    const { ring, next = buildRing([]) } = this.state
    const { seeds = [] } = this.options
    this.gossip.meet(new Set([...seeds, ...[...ring.nodes, ...next.nodes].map(({ name }) => name)]))
  }

  // ---- Disk ----

  /** What is known of a key. */
  protected known(key: string): Versions | undefined {
    return this.fresh.has(key) ? this.fresh.get(key) : this.options.store.get(key)
  }

  /** Undefined versions remove the key. */
  protected persist(key: string, versions: Versions | undefined, done: () => void): void {
    const before = this.known(key)
    if (!lacks(this.mutant, 'trees are kept up')) this.trees.change(key, before, versions)
    this.fresh.set(key, versions)
    this.writes++
    this.unsynced.set(key, this.writes)
    this.effects.push({ kind: 'persist', write: this.writes, key, versions })
    this.held.push({ write: this.writes, act: done })
  }

  protected persistNotes(notes: Partial<Notes>, done: () => void): void {
    this.writes++
    this.effects.push({ kind: 'persistNotes', write: this.writes, notes })
    this.held.push({ write: this.writes, act: done })
  }

  protected persistHint(effect: Omit<Effect & { kind: 'persistHint' }, 'kind' | 'write'>, done: () => void): void {
    this.writes++
    this.effects.push({ kind: 'persistHint', write: this.writes, ...effect })
    this.held.push({ write: this.writes, act: done })
  }

  /** What is known of a key, once that is on disk: a crash must not take back what others have heard. */
  protected whenReadable(key: string, act: (versions: Versions) => void): void {
    const versions = this.known(key) ?? NO_VERSIONS
    const write = this.unsynced.get(key)
    if (write === undefined || lacks(this.mutant, 'durable before read')) act(versions)
    else this.held.push({ write, act: () => act(versions) })
  }

  /** Acts once everything is on disk that was persisted so far. */
  protected whenDurable(act: () => void): void {
    if (this.durableWrite >= this.writes) act()
    else this.held.push({ write: this.writes, act })
  }

  protected persisted(write: number): void {
    this.durableWrite = Math.max(this.durableWrite, write)
    const ready = this.held.filter((each) => each.write <= write)
    this.held = this.held.filter((each) => each.write > write)
    for (const [key, last] of this.unsynced) if (last <= write) this.unsynced.delete(key)
    for (const { act } of ready) act()
  }

  // ---- Others ----

  protected nextRequest(): RequestId {
    this.numbers++
    return { life: this.options.life, number: this.numbers }
  }

  /** @param era - How old what is sent may be, if it is older than now. */
  protected send(to: string, body: MessageBody, era = this.era): void {
    this.effects.push({ kind: 'send', to, message: { epoch: this.state.epoch, era, ...body } })
  }

  /** Sends unless the ring has changed since `epoch`: an answer counts in the epoch it was made in alone. */
  protected sendIn(epoch: number, to: string, body: MessageBody, era = this.era): void {
    if (this.state.epoch === epoch) this.send(to, body, era)
  }

  protected sendGossip(all: readonly Sent[]): void {
    for (const { to, gossip } of all) this.send(to, { kind: 'gossip', gossip })
  }

  protected reply(id: number, outcome: (Effect & { kind: 'reply' })['outcome']): void {
    this.effects.push({ kind: 'reply', id, outcome })
  }
}
