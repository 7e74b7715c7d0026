// The seam between the handles that callers hold (store.ts) and the two engines below them: the TypeScript one
// (btree.ts over engine.ts) and the native one (native/).
import type { OrderedReader } from '../ordered-store.ts'
import type { Mutant } from './mutant.ts'
import type { ByteOperation } from './operation.ts'
import type { Codecs } from './reader.ts'
import type { BTreeStats, BTreeTree, PageDescription, VerifyReport } from './types.ts'
import type { ByteReader } from './walk.ts'

/** What the handles of a store need of the engine below. Arguments have been checked. */
export interface StoreEngine {
  readonly path: string
  readonly pageSizeBytes: number
  readonly position: number
  readonly durablePosition: number
  /** The rule that a test has taken away. */
  readonly mutant?: Mutant | undefined
  /** @throws CLOSED, or IO once the engine has failed. */
  assertOpen(): void
  /** @throws also READ_ONLY. */
  assertWritable(): void
  /** One tree of the current state, whether it exists or not. */
  tree<K, V>(name: string, codecs: Codecs<K, V>): BTreeTree<K, V>
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
  checkpoint(): Promise<void>
  stats(): BTreeStats
  verify(): Promise<VerifyReport>
  backup(path: string): Promise<void>
  compact(): Promise<void>
  inspectPage(pageNumber: number): PageDescription
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
