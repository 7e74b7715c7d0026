// Watches: who is told of which changes. Each hears of every change of its keys from its first revision on, in order, once,
// and of a revision all at once (https://etcd.io/docs/v3.4/learning/api/, "Watch streams").
//
// A watch that keeps up is handed changes as they come. One that does not is only told that there is more: what it missed
// is in the store, and read from there when it has time, so a slow client costs no memory.
import { lacks } from '../../storage/mutant.ts'
import { EVENT_TYPE, WATCH_FILTER } from '../../wire/etcd/messages.ts'
import type { Mutant } from './mutant.ts'
import { contains, type Span } from './mvcc/key-index.ts'
import type { MvccStore } from './mvcc/store.ts'
import { type Event, type Key, type KeyValue, MAX_CATCH_UP_EVENTS } from './types.ts'

/** What to watch. */
export interface WatchOptions {
  readonly span: Span
  /** The first main revision to hear of; 0 for the next. */
  readonly startRevision: number
  readonly filters: readonly number[]
  readonly prevKv: boolean
  /** Told that `take` has something. */
  readonly wake: () => void
}

/** What a watch gets. */
export type Batch =
  /** Changes, and the main revision up to which they are all; none, and it has nothing more to hear of now. */
  | { readonly kind: 'events'; readonly events: readonly Event[]; readonly revision: number }
  /** What it wanted to hear of is compacted away: it ends. */
  | { readonly kind: 'compacted'; readonly compactRevision: number }

/** One that waits longer than this many changes reads them from the store. */
const MAX_WAITING_EVENTS = 1000

/** One watch. */
export class Watch {
  readonly #options: WatchOptions
  readonly #hub: WatchHub
  #next: number
  #waiting: Event[] = []
  #isBehind: boolean

  constructor(hub: WatchHub, options: WatchOptions) {
    this.#hub = hub
    this.#options = options
    this.#next = options.startRevision > 0 ? options.startRevision : hub.revision + 1
    this.#isBehind = this.#next <= hub.revision
  }

  get span(): Span {
    return this.#options.span
  }

  /** True if `take` would give something but an empty list. */
  get hasMore(): boolean {
    return this.#isBehind || this.#waiting.length > 0
  }

  /** Called by the hub for each main revision that touched the span, in order. */
  offer(events: readonly Event[], revision: number): void {
    if (revision < this.#next) return
    if (!this.#isBehind) {
      this.#waiting.push(...events)
      // What was dropped begins at #next, which only `take` moves.
      if (this.#waiting.length > MAX_WAITING_EVENTS) {
        this.#waiting = []
        this.#isBehind = true
      }
    }
    this.#options.wake()
  }

  /** Takes what there is to hear of by now; at most some thousand changes, but never a part of a revision. */
  take(): Batch {
    const { store, revision } = this.#hub
    let events: readonly Event[]
    if (this.#isBehind) {
      if (this.#next < store.compactRevision) return { kind: 'compacted', compactRevision: store.compactRevision }
      const limit = MAX_CATCH_UP_EVENTS
      const found = store.eventsBetween(this.#options.span, { from: this.#next, to: revision, limit })
      events = found.events
      this.#next = found.upTo + 1
      this.#isBehind = found.upTo < revision
    } else {
      events = this.#waiting
      this.#waiting = []
      this.#next = Math.max(this.#next, revision + 1)
    }
    return { kind: 'events', events: this.#shown(events), revision: this.#isBehind ? this.#next - 1 : revision }
  }

  /** The store was replaced: what waits here may have gaps before and behind it. */
  reread(): void {
    this.#waiting = []
    this.#isBehind = this.#next <= this.#hub.revision
    if (this.#isBehind) this.#options.wake()
  }

  close(): void {
    this.#hub.remove(this)
  }

  #shown(events: readonly Event[]): Event[] {
    const { filters, prevKv } = this.#options
    return events
      .filter(({ type }) => !filters.includes(type === EVENT_TYPE.put ? WATCH_FILTER.noPut : WATCH_FILTER.noDelete))
      .map((event) => (prevKv ? { ...event, prevKv: this.#hub.store.before(event) } : event))
  }
}

/** All watches of a node. */
export class WatchHub {
  readonly #mutant: Mutant | undefined
  #store: MvccStore
  #revision: number
  readonly #ofKey = new Map<Key, Set<Watch>>()
  readonly #ofSpans = new Set<Watch>()

  constructor(store: MvccStore, mutant?: Mutant) {
    this.#mutant = mutant
    this.#store = store
    this.#revision = store.revision
  }

  get store(): MvccStore {
    return this.#store
  }

  /** Watches are told of changes up to this main revision: those that are durable. */
  get revision(): number {
    return this.#revision
  }

  /** How many watches there are. */
  get size(): number {
    let count = this.#ofSpans.size
    for (const watches of this.#ofKey.values()) count += watches.size
    return count
  }

  add(options: WatchOptions): Watch {
    const watch = new Watch(this, options)
    const { key, end } = watch.span
    if (end !== 'one') this.#ofSpans.add(watch)
    else {
      const watches = this.#ofKey.get(key)
      if (watches === undefined) this.#ofKey.set(key, new Set([watch]))
      else watches.add(watch)
    }
    return watch
  }

  remove(watch: Watch): void {
    this.#ofSpans.delete(watch)
    const { key } = watch.span
    const watches = this.#ofKey.get(key)
    if (watches?.delete(watch) === true && watches.size === 0) this.#ofKey.delete(key)
  }

  /** Another store takes the place of this one, some revisions ahead: watches read from it what they were not told of. */
  replace(store: MvccStore): void {
    this.#store = store
    this.#revision = store.revision
    if (lacks(this.#mutant, 'watches outlive snapshots')) return
    for (const watch of this.#ofSpans) watch.reread()
    for (const watches of this.#ofKey.values()) for (const watch of watches) watch.reread()
  }

  /** Tells of what happened at a main revision, which is the next. */
  publish(events: readonly Event[], revision: number): void {
    this.#revision = revision
    const touched = new Map<Watch, Event[]>()
    const add = (watch: Watch, event: Event): void => {
      const list = touched.get(watch)
      if (list === undefined) touched.set(watch, [event])
      else list.push(event)
    }
    for (const event of events) {
      const { key } = event.kv as KeyValue
      for (const watch of this.#ofKey.get(key) ?? []) add(watch, event)
      for (const watch of this.#ofSpans) if (contains(watch.span, key)) add(watch, event)
    }
    for (const [watch, list] of touched) watch.offer(list, revision)
  }
}
