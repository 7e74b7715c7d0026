// The seam between the handles that callers hold (store.ts) and the engines below them.
import type { Mutant } from '../mutant.ts'
import type { OrderedReader } from '../ordered-store.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteOperation } from './operation.ts'
import type { Codecs } from './reader.ts'
import type { NamedTree } from './types.ts'

/** What the handles of a store need of the engine below. Arguments have been checked. */
export interface StoreEngine {
  readonly path: string
  /** The most bytes that a key may have; a power of two, at least 512. */
  readonly maxKeyBytes: number
  readonly position: number
  readonly durablePosition: number
  /** The rule that a test has taken away. */
  readonly mutant?: Mutant<string> | undefined
  /** Refuses keys that are longer than this store takes. */
  checkKey(key: Uint8Array): Uint8Array
  /** @throws CLOSED, or IO once the engine has failed. */
  assertOpen(): void
  /** @throws also READ_ONLY. */
  assertWritable(): void
  /** One tree of the current state, whether it exists or not. */
  tree<K, V>(name: string, codecs: Codecs<K, V>): NamedTree<K, V>
  /** The names of all trees that exist, in any order; '' for the default tree. */
  treeNames(): string[]
  /** Applies all of `operations` at one instant. @returns The promise of their durability. */
  apply(operations: readonly ByteOperation[]): Promise<void>
  /** Keeps this moment readable. */
  openMoment(): Moment
  /** Begins a transaction. */
  begin(): Attempt
  /** Resolves when everything up to `position` is durable. */
  flushedTo(position: number): Promise<void>
  close(): Promise<void>
}

/** A moment that is kept readable until it is closed. */
export interface Moment {
  /** The log position it shows. */
  readonly position: number
  /** @throws CLOSED once it has been closed. */
  assertOpen(): void
  reader<K, V>(tree: string, codecs: Codecs<K, V>): OrderedReader<K, V>
  close(): void
}

/** One run of a transaction over the moment of its begin. */
export interface Attempt {
  /** Shows the moment, and notes what is read of it. */
  reader(tree: string): ByteReader
  /** Applies `operations`, which are some, at one instant. @throws CONFLICT if others changed what was read. */
  commit(operations: readonly ByteOperation[]): Promise<void>
  close(): void
}
