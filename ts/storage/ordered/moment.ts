// A pinned moment of a TypeScript engine: what snapshots and transactions read.
import type { OrderedReader } from '../ordered-store.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteOperation } from './operation.ts'
import { ConflictWatch, type WriteObserver } from './read-set.ts'
import { type Codecs, Reader } from './reader.ts'
import type { Attempt, Moment } from './store-engine.ts'
import { watched } from './watched-reader.ts'

/** A moment that its engine keeps readable. */
export interface PinnedState {
  /** The log position it shows. */
  readonly position: number
  /** @throws CLOSED once it has been closed. */
  assertOpen(): void
  /** One tree as it was. */
  reader(tree: string): ByteReader
  close(): void
}

export class PinnedMoment implements Moment {
  private readonly state: PinnedState
  private readonly checkKey: (key: Uint8Array) => Uint8Array

  constructor(state: PinnedState, checkKey: (key: Uint8Array) => Uint8Array) {
    this.state = state
    this.checkKey = checkKey
  }

  get position(): number {
    return this.state.position
  }

  assertOpen(): void {
    this.state.assertOpen()
  }

  reader<K, V>(tree: string, codecs: Codecs<K, V>): OrderedReader<K, V> {
    return new Reader(this.state.reader(tree), codecs, this.checkKey)
  }

  close(): void {
    this.state.close()
  }
}

/** What a transaction needs of its engine. */
export interface WatchedEngine {
  /** One for each transaction that runs. */
  readonly observers: Set<WriteObserver>
  apply(operations: readonly ByteOperation[]): Promise<void>
}

/** A run of a transaction that is told of every write of others while it lasts. */
export class WatchedAttempt implements Attempt {
  private readonly engine: WatchedEngine
  private readonly state: PinnedState
  private readonly watch = new ConflictWatch()

  constructor(engine: WatchedEngine, state: PinnedState) {
    this.engine = engine
    this.state = state
    engine.observers.add(this.watch)
  }

  reader(tree: string): ByteReader {
    return watched(this.state.reader(tree), tree, this.watch)
  }

  commit(operations: readonly ByteOperation[]): Promise<void> {
    this.watch.check()
    return this.engine.apply(operations)
  }

  close(): void {
    this.engine.observers.delete(this.watch)
    this.state.close()
  }
}
