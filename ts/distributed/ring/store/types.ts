// What goes into a node of the store and what comes out of it: requests, messages, events, effects, options.
import type { Ring } from '../types.ts'
import type { Mutant } from './mutant.ts'
import type { Dot, Versions, VersionVector } from './versions.ts'

/** Names a request of one node: lives of the node count up, and so do the requests of a life. */
export interface RequestId {
  readonly life: number
  readonly number: number
}

/** A write as a client asks for it. */
export interface Put {
  readonly key: string
  /** Undefined deletes. */
  readonly value: Uint8Array | undefined
  /** What the client had read of the key; it replaces that. */
  readonly context: VersionVector
  /** How many replicas the key has: N of the Dynamo paper. */
  readonly replicas: number
  /** How many of them have it on disk before the client is told: W. */
  readonly acks: number
  /** The wall clock, for last-write-wins. */
  readonly writtenMs: number
}

/** A read as a client asks for it. */
export interface Get {
  readonly key: string
  /** N. */
  readonly replicas: number
  /** How many of them are asked before the client is told: R. With R + W > N a read sees every write that was told before it began. */
  readonly answers: number
}

/** How a request ended. */
export type Outcome =
  | { readonly kind: 'written'; readonly dot: Dot; readonly context: VersionVector }
  | { readonly kind: 'found'; readonly versions: Versions }
  /** Too few replicas answered in time. A write may have happened, or happen yet. */
  | { readonly kind: 'unavailable'; readonly answered: number; readonly wanted: number }
  /** The write was refused: the text says why. It has not happened. */
  | { readonly kind: 'refused'; readonly reason: string }

/** What nodes tell each other. */
export type Message =
  /** To a node that holds the key: take this write. One that comes twice is taken twice, and gives siblings of one value. */
  | { readonly kind: 'put'; readonly request: RequestId; readonly put: Put }
  | { readonly kind: 'putEnded'; readonly request: RequestId; readonly outcome: Outcome }
  /** Learn this. With `hintFor` it is kept for another node, which does not answer, until that has it. */
  | {
      readonly kind: 'store'
      readonly request: RequestId
      readonly key: string
      readonly versions: Versions
      readonly hintFor: string | undefined
    }
  /** It is on the sender's disk. */
  | { readonly kind: 'stored'; readonly request: RequestId; readonly hintFor: string | undefined }
  | { readonly kind: 'fetch'; readonly request: RequestId; readonly key: string }
  | { readonly kind: 'fetched'; readonly request: RequestId; readonly versions: Versions }

export type Event =
  | { readonly kind: 'put'; readonly id: number; readonly put: Put }
  | { readonly kind: 'get'; readonly id: number; readonly get: Get }
  | { readonly kind: 'message'; readonly from: string; readonly message: Message }
  /** All writes up to that number are on disk. */
  | { readonly kind: 'persisted'; readonly write: number }
  /** Time has passed: one tick. */
  | { readonly kind: 'tick' }

/** What the driver does, in order. What a persist changes can be read from `VersionStore` at once. */
export type Effect =
  | { readonly kind: 'persist'; readonly write: number; readonly key: string; readonly versions: Versions }
  /** Undefined versions end the hint. */
  | {
      readonly kind: 'persistHint'
      readonly write: number
      readonly target: string
      readonly key: string
      readonly versions: Versions | undefined
    }
  | { readonly kind: 'send'; readonly to: string; readonly message: Message }
  | { readonly kind: 'reply'; readonly id: number; readonly outcome: Outcome }

/** What a node has stored, newest first: what was given to `persist` and is not on disk yet counts. */
export interface VersionStore {
  get(key: string): Versions | undefined
}

export interface StoreOptions {
  /** A node of the ring. */
  readonly name: string
  readonly ring: Ring
  /** Above that of every earlier life of this node; on disk before this one begins. */
  readonly life: number
  readonly store: VersionStore
  /** Hints that are on disk, by the node they are for and the key. */
  readonly hints?: ReadonlyMap<string, ReadonlyMap<string, Versions>>
  /** A request ends after so many ticks: at least 2; 20 unless told. */
  readonly requestTicks?: number
  /** A replica that has not taken a write for so many ticks gets a hint; 5 unless told. Below `requestTicks`. */
  readonly hintTicks?: number
  /** Hints are offered anew every so many ticks; 20 unless told. */
  readonly offerTicks?: number
  readonly mutant?: Mutant | undefined
}

/** Requests of one node that are under way; more are refused. */
export const MAX_REQUESTS = 10_000
/** Hints that one node keeps. What does not fit is left to read repair and anti-entropy. */
export const MAX_HINTS = 100_000
/** Hints that are offered to one node at once. */
export const MAX_OFFERED = 64
