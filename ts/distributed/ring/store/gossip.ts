// Who is there, and what they say of themselves: passed on from node to node, so that all know it after some rounds.
//
//   a -> b   digest   of everybody I know: which life, and how many heartbeats of it
//   b -> a   answer   what I know that is newer, and whose newer state I want
//   a -> b   states   those
//
// Push and pull at once: Demers et al., "Epidemic Algorithms for Replicated Database Maintenance", PODC 1987; the digests are those of van
// Renesse, Dumitriu, Gough, Thomas, "Efficient Reconciliation and Flow Control for Anti-Entropy Protocols", LADIS 2008. A node
// that restarts has a higher life, so nothing that is known of its earlier ones can pass for news. Who falls silent is down,
// by the detector of failure-detector.ts; nobody is told so: each judges by what it hears itself.
import type { Random } from '../../../io/random.ts'
import { FailureDetector } from './failure-detector.ts'
import { type Digest, type Facts, type GossipMessage, MAX_MEMBERS, type MemberState } from './types.ts'

export interface GossipOptions {
  readonly name: string
  /** Those of another cluster are not heard. */
  readonly clusterId: string
  readonly life: number
  readonly facts: Facts
  readonly random: Random
  /** Ticks between two heartbeats, each of which is told to one node that is up, and now and then to one that is not. */
  readonly intervalTicks: number
}

/** What is to be sent. */
export interface Sent {
  readonly to: string
  readonly gossip: GossipMessage
}

interface Known {
  state: MemberState | undefined
  readonly detector: FailureDetector
}

/** Down from here on. */
const CONVICTION_PHI = 8
/** How often one is told who seems to be down, or is not known yet. */
const RETRY_RATE = 0.3
/** A heartbeat reaches a node only after some rounds. */
const USUAL_ROUNDS = 4
/** What nobody has named for so many intervals is forgotten. */
const FORGOTTEN_INTERVALS = 1000

/** One node's view of all others. One event in, messages out. */
export class Gossip {
  private readonly options: GossipOptions
  private facts: Facts
  private beat = 0
  private nowTick = 0
  private readonly known = new Map<string, Known>()
  /** Those who belong to the ring, or may: they are asked, and not forgotten. */
  private wanted: ReadonlySet<string> = new Set()
  private strangers = 0

  constructor(options: GossipOptions) {
    this.options = options
    this.facts = options.facts
  }

  /** What others learn of this node from now on. */
  tell(facts: Partial<Facts>): void {
    this.facts = { ...this.facts, ...facts }
    this.beat++
  }

  /** Whom to talk to, beside those who talk to us. */
  meet(names: Iterable<string>): void {
    this.wanted = new Set(names)
    for (const name of this.wanted) this.know(name)
  }

  /** Time has passed. */
  tick(): Sent[] {
    const { intervalTicks, random } = this.options
    this.nowTick++
    if (this.nowTick % intervalTicks !== 0) return []
    this.beat++
    this.forget()
    const [up, down]: [string[], string[]] = [[], []]
    for (const name of this.known.keys()) (this.hears(name) ? up : down).push(name)
    const targets: string[] = []
    if (up.length > 0) targets.push(up[Math.floor(random.next() * up.length)] as string)
    if (down.length > 0 && (up.length === 0 || random.next() < RETRY_RATE)) {
      targets.push(down[Math.floor(random.next() * down.length)] as string)
    }
    return targets.map((to) => ({ to, gossip: this.digest() }))
  }

  /** A peer has said something. */
  receive(from: string, gossip: GossipMessage): Sent[] {
    if (gossip.clusterId !== this.options.clusterId) {
      this.strangers++
      return []
    }
    this.know(from)
    switch (gossip.kind) {
      case 'digest':
        return [{ to: from, gossip: this.answer(gossip.digests) }]
      case 'answer': {
        for (const state of gossip.states) this.learn(state)
        const states = gossip.wanted.flatMap((name) => this.stateOf(name) ?? [])
        return states.length === 0 ? [] : [{ to: from, gossip: this.message({ kind: 'states', states }) }]
      }
      case 'states':
        for (const state of gossip.states) this.learn(state)
        return []
    }
  }

  /** What a node says of itself, this one included. */
  factsOf(name: string): Facts | undefined {
    return name === this.options.name ? this.facts : this.known.get(name)?.state?.facts
  }

  /** Whether it is not convicted. One that was never heard is up for a while. */
  isUp(name: string): boolean {
    if (name === this.options.name) return true
    const known = this.known.get(name)
    return known !== undefined && known.detector.phi(this.nowTick) < CONVICTION_PHI
  }

  /** Everybody who was heard of, this one included. */
  members(): Map<string, MemberState & { readonly isUp: boolean }> {
    const members = new Map<string, MemberState & { readonly isUp: boolean }>()
    for (const name of [this.options.name, ...this.known.keys()]) {
      const state = this.stateOf(name)
      if (state !== undefined) members.set(name, { ...state, isUp: this.isUp(name) })
    }
    return members
  }

  /** The newest era that anybody but this node is known to be in; 0 if nobody is known. */
  newestEra(): number {
    let newest = 0
    for (const { state } of this.known.values()) newest = Math.max(newest, state?.facts.era ?? 0)
    return newest
  }

  /** Messages of other clusters that came here. */
  get strangerCount(): number {
    return this.strangers
  }

  private hears(name: string): boolean {
    return this.known.get(name)?.state !== undefined && this.isUp(name)
  }

  private digest(): GossipMessage {
    const digests: Digest[] = []
    for (const name of [this.options.name, ...this.known.keys()]) {
      const { life, beat } = this.stateOf(name) ?? { life: 0, beat: 0 }
      digests.push({ name, life, beat })
    }
    return this.message({ kind: 'digest', digests })
  }

  private answer(digests: readonly Digest[]): GossipMessage {
    const theirs = new Map<string, Digest>()
    const wanted: string[] = []
    for (const digest of digests) {
      theirs.set(digest.name, digest)
      if (this.isNews(digest)) wanted.push(digest.name)
    }
    const states: MemberState[] = []
    for (const name of [this.options.name, ...this.known.keys()]) {
      const state = this.stateOf(name)
      if (state !== undefined && isNewer(state, theirs.get(name))) states.push(state)
    }
    return this.message({ kind: 'answer', states, wanted })
  }

  private learn(state: MemberState): void {
    if (!this.isNews(state)) return
    const known = this.know(state.name)
    if (known === undefined) return
    known.state = state
    known.detector.beat(this.nowTick)
  }

  private isNews(digest: Digest): boolean {
    const { name } = digest
    return name !== this.options.name && isNewer(digest, this.known.get(name)?.state)
  }

  private know(name: string): Known | undefined {
    const known = this.known.get(name)
    if (known !== undefined || name === this.options.name || this.known.size >= MAX_MEMBERS - 1) return known
    const usualTicks = USUAL_ROUNDS * this.options.intervalTicks
    const added = { state: undefined, detector: new FailureDetector(usualTicks, this.nowTick) }
    this.known.set(name, added)
    return added
  }

  /** Lets go of those who left the ring and fell silent. */
  private forget(): void {
    const ticks = FORGOTTEN_INTERVALS * this.options.intervalTicks
    for (const [name, { detector }] of this.known) {
      if (!this.wanted.has(name) && detector.silence(this.nowTick) > ticks) this.known.delete(name)
    }
  }

  private stateOf(name: string): MemberState | undefined {
    const { options, beat, facts } = this
    return name === options.name ? { name, life: options.life, beat, facts } : this.known.get(name)?.state
  }

  private message<T extends object>(body: T): T & { clusterId: string } {
    return { ...body, clusterId: this.options.clusterId }
  }
}

function isNewer(digest: Digest, than: Digest | undefined): boolean {
  if (than === undefined) return true
  return digest.life !== than.life ? digest.life > than.life : digest.beat > than.beat
}
