// Nodes of a store whose messages arrive when the test says so, on disks that sync when it says so.
import { buildRing } from '../../../ts/distributed/ring/index.ts'
import {
  type Effect,
  type Event,
  foundingRecord,
  type Hint,
  type Message,
  NO_CONTEXT,
  NO_VERSIONS,
  type Notes,
  type Outcome,
  type Put,
  type RingChange,
  StoreNode,
  type Versions,
  type VersionVector,
} from '../../../ts/distributed/ring/store/index.ts'
import type { Mutant } from '../../../ts/distributed/ring/store/mutant.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { setHint } from './host.ts'
import { MapStore } from './map-store.ts'

export const KEY = 'user:1'
export const REQUEST_TICKS = 20

interface Disk {
  lives: number
  versions: Map<string, Versions>
  hints: Map<string, Map<string, Hint>>
  notes: Partial<Notes>
}

export interface BedOptions {
  readonly mutant?: Mutant | undefined
  /** How many nodes there are beside those of the ring. */
  readonly spares?: number
  /** Replicas compare their ranges so often; hardly ever unless told. */
  readonly syncTicks?: number
  readonly entriesPerTick?: number
  readonly streamBytesPerTick?: number
  /** What becomes of a message on its way; undefined if it is lost. */
  readonly wire?: (message: Message) => Message | undefined
  /** Is shown what nodes do. */
  readonly look?: (effect: Effect) => void
}

/** What a request may be told. */
interface PutWishes {
  readonly acks?: number
  readonly replicas?: number
  readonly context?: VersionVector
  readonly key?: string
}

export class Bed {
  readonly names: readonly string[]
  /** The replicas of `KEY`, in the first ring. */
  readonly list: readonly string[]
  /** Who hears nothing and says nothing. */
  readonly down = new Set<string>()
  private readonly options: BedOptions
  private readonly members: readonly string[]
  private readonly nodes = new Map<string, StoreNode>()
  private readonly visible = new Map<string, MapStore>()
  private readonly disks = new Map<string, Disk>()
  private readonly unsynced = new Map<string, { readonly write: number; readonly apply: () => void }[]>()
  private messages: { readonly from: string; readonly to: string; readonly message: Message }[] = []
  private readonly sentKinds: string[] = []
  private readonly outcomes = new Map<number, Outcome>()
  private nextId = 1

  constructor(nodeCount: number, options: BedOptions = {}) {
    this.options = options
    this.names = Array.from({ length: nodeCount + (options.spares ?? 0) }, (_, i) => `n${i + 1}`)
    this.members = this.names.slice(0, nodeCount)
    const ring = buildRing(
      this.members.map((name) => ({ name })),
      { virtualNodes: 16 },
    )
    this.list = ring.preferenceList(KEY, 3)
    for (const name of this.names) {
      const notes = this.members.includes(name) ? { ring: foundingRecord(ring, 3) } : {}
      this.disks.set(name, { versions: new Map(), hints: new Map(), lives: 0, notes })
      this.crash(name)
    }
  }

  node(name: string): StoreNode {
    return this.nodes.get(name) as StoreNode
  }

  /** What a node has on disk. */
  disk(name: string): Disk {
    return this.disks.get(name) as Disk
  }

  /** The values of a key that a node has on disk. */
  values(name: string, key = KEY): string[] {
    return textsOf(this.disk(name).versions.get(key) ?? NO_VERSIONS)
  }

  /** How many messages of a kind were ever sent. */
  sent(kind: string): number {
    return this.sentKinds.filter((each) => each === kind).length
  }

  put(name: string, value: string | undefined, wishes: PutWishes = {}): () => Outcome | undefined {
    const { acks = 2, replicas = 3, context = NO_CONTEXT, key = KEY } = wishes
    const id = this.nextId++
    const bytes = value === undefined ? undefined : Buffer.from(value)
    const put: Put = { key, value: bytes, context, replicas, acks, writtenMs: 0 }
    this.take(name, { kind: 'put', id, put })
    return () => this.outcomes.get(id)
  }

  /** A write that one of its replicas, which is down, does not get: who has no part in the key keeps a hint. With four nodes. */
  putHinted(): { first: string; absent: string; keeper: string } {
    const [first, , absent] = this.list as [string, string, string]
    const keeper = this.names.find((name) => !this.list.includes(name)) as string
    this.down.add(absent)
    this.put(first, 'one')
    this.settle()
    this.tick(REQUEST_TICKS)
    return { first, absent, keeper }
  }

  get(name: string, answers: number, replicas = 3, key = KEY): () => Outcome | undefined {
    const id = this.nextId++
    this.take(name, { kind: 'get', id, get: { key, replicas, answers } })
    return () => this.outcomes.get(id)
  }

  change(name: string, change: RingChange, lost: readonly string[] = []): () => Outcome | undefined {
    const id = this.nextId++
    this.take(name, { kind: 'change', id, change, lost })
    return () => this.outcomes.get(id)
  }

  repair(name: string): () => Outcome | undefined {
    const id = this.nextId++
    this.take(name, { kind: 'repair', id })
    return () => this.outcomes.get(id)
  }

  take(name: string, event: Event): void {
    for (const effect of this.node(name).step(event)) {
      this.options.look?.(effect)
      if (effect.kind === 'reply') this.outcomes.set(effect.id, effect.outcome)
      else if (effect.kind === 'send') {
        this.sentKinds.push(effect.message.kind)
        if (!this.down.has(name)) this.messages.push({ from: name, to: effect.to, message: effect.message })
      } else {
        const disk = this.disk(name)
        if (effect.kind === 'persist') this.visible.get(name)?.set(effect.key, effect.versions)
        this.unsynced.get(name)?.push({
          write: effect.write,
          apply: () => {
            if (effect.kind === 'persistNotes') disk.notes = { ...disk.notes, ...effect.notes }
            else if (effect.kind === 'persistHint') setHint(disk.hints, effect.target, effect.key, effect.hint)
            else if (effect.versions === undefined) disk.versions.delete(effect.key)
            else disk.versions.set(effect.key, effect.versions)
          },
        })
      }
    }
  }

  /** Lets all messages arrive, and those that they lead to; or those alone which may, while the others are lost. */
  deliver(may: (kind: Message['kind']) => boolean = () => true): void {
    for (let next = this.messages.shift(); next !== undefined; next = this.messages.shift()) {
      const { from, to, message } = next
      if (!this.nodes.has(to) || this.down.has(to) || !may(message.kind)) continue
      const { wire } = this.options
      const arrived = wire === undefined ? message : wire(message)
      if (arrived !== undefined) this.take(to, { kind: 'message', from, message: arrived })
    }
  }

  /** Messages of a kind that are on their way arrive twice. */
  repeat(kind: Message['kind']): void {
    this.messages.push(...this.messages.filter(({ message }) => message.kind === kind))
  }

  /** @param most - So many writes, the first ones. */
  sync(name: string, most = Number.POSITIVE_INFINITY): void {
    const writes = this.unsynced.get(name)?.splice(0, most) ?? []
    for (const { apply } of writes) apply()
    const last = writes.at(-1)
    if (last !== undefined) this.take(name, { kind: 'persisted', write: last.write })
  }

  /** Lets everything happen that can, without time. */
  settle(): void {
    for (let i = 0; i < 10; i++) {
      this.deliver()
      for (const name of this.names) if (!this.down.has(name)) this.sync(name)
    }
  }

  /** A tick in which messages arrive, and no disk takes anything. */
  tickWithoutDisks(): void {
    for (const name of this.names) if (!this.down.has(name)) this.take(name, { kind: 'tick' })
    this.deliver()
  }

  tick(count: number): void {
    for (let i = 0; i < count; i++) {
      for (const name of this.names) if (!this.down.has(name)) this.take(name, { kind: 'tick' })
      this.settle()
    }
  }

  /** Lets time pass until something holds. */
  tickUntil(holds: () => boolean, most = 1000): void {
    for (let i = 0; !holds(); i++) {
      if (i >= most) throw new Error(`that does not hold after ${most} ticks`)
      this.tick(1)
    }
  }

  /** A new life begins with what is on disk. */
  crash(name: string): void {
    const disk = this.disk(name)
    disk.lives++
    this.unsynced.set(name, [])
    const store = new MapStore(disk.versions)
    this.visible.set(name, store)
    const { mutant, syncTicks = 1e9, entriesPerTick = 256, streamBytesPerTick = 1e6 } = this.options
    const { hints, notes, lives } = disk
    this.nodes.set(
      name,
      new StoreNode({
        ...{ name, clusterId: 'bed', life: lives, store, hints, notes, mutant, random: seededRandom(lives) },
        ...{ seeds: this.members, requestTicks: REQUEST_TICKS, hintTicks: 5, offerTicks: 10, gossipTicks: 2 },
        ...{ syncTicks, entriesPerTick, streamBytesPerTick, eraTicks: 4 },
      }),
    )
  }

  /** The disk of a node is gone. */
  wipe(name: string): void {
    const { lives } = this.disk(name)
    this.disks.set(name, { versions: new Map(), hints: new Map(), lives, notes: {} })
    this.crash(name)
  }
}

function textsOf({ siblings }: Versions): string[] {
  return siblings.map(({ value }) => (value === undefined ? 'deleted' : new TextDecoder().decode(value))).sort()
}

export function valuesOf(outcome: Outcome | undefined): string[] | undefined {
  return outcome?.kind === 'found' ? textsOf(outcome.versions) : undefined
}
