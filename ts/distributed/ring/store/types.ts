// What goes into a node of the store and what comes out of it: requests, messages, events, effects, options.
import type { Random } from '../../../io/random.ts'
import type { Position, RingDescription, RingNode, TokenRange } from '../types.ts'
import type { Digests, TreeNode } from './merkle.ts'
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
  /** How many replicas the key has: N of the Dynamo paper. With fewer than the ring's own number, promises end where the ring changes. */
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

/** What an operator may ask of the ring. */
export type RingChange =
  | { readonly kind: 'add'; readonly node: RingNode }
  | { readonly kind: 'remove'; readonly name: string }
  /** The new node has another name: that of a node whose disk is gone names writes that are. */
  | { readonly kind: 'replace'; readonly name: string; readonly node: RingNode }
  /** Says of a node, while a change is under way, that it will not come back: nobody waits for it. */
  | { readonly kind: 'lose'; readonly name: string }
  /** Gives up a change that still streams. */
  | { readonly kind: 'abort' }

/** A ring with what is being done to it, as nodes pass it on and keep it. See ring-state.ts. */
export interface RingRecord {
  readonly version: 1
  /** One more with every change of the record. */
  readonly epoch: number
  readonly phase: 'stable' | 'streaming' | 'switching'
  /** N of every key. */
  readonly replicas: number
  readonly ring: RingDescription
  /** The ring that it becomes; undefined if it is stable. */
  readonly next: RingDescription | undefined
  /** Nodes that will not come back. */
  readonly lost: readonly string[]
}

/** How a request ended. */
export type Outcome =
  | { readonly kind: 'written'; readonly dot: Dot; readonly context: VersionVector }
  | { readonly kind: 'found'; readonly versions: Versions }
  /** The ring changes, since that epoch. `StoreNode.status` tells how far it is. */
  | { readonly kind: 'changing'; readonly epoch: number }
  /** All ranges were compared with all peers that are up; so many keys were different somewhere. */
  | { readonly kind: 'repaired'; readonly ranges: number; readonly keys: number }
  /** Too few replicas answered in time. A write may have happened, or happen yet; so may a change. */
  | { readonly kind: 'unavailable'; readonly answered: number; readonly wanted: number }
  /** The request was refused: the text says why. It has not happened. */
  | { readonly kind: 'refused'; readonly reason: string }

/** What a node knows of a key, with the key. */
export interface Entry {
  readonly key: string
  readonly versions: Versions
}

/** An entry of a page. */
export interface PagedEntry extends Entry {
  /** It is a tombstone that all replicas have: who has it no more needs it no more. */
  readonly isSettled: boolean
}

/** Orders attempts to decide the next record: by number, then by node. */
export interface Ballot {
  readonly number: number
  readonly node: string
}

/** A record that was accepted, and by which attempt. */
export interface AcceptedRecord {
  readonly ballot: Ballot
  readonly record: RingRecord
}

/**
 * What nodes tell each other. The epoch is that of the sender's ring. The era says how old what it carries may be: what comes
 * from an era that has passed is not taken, since its tombstone may be gone.
 */
export type Message = { readonly epoch: number; readonly era: number } & MessageBody

export type MessageBody =
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
  /** The request was not taken: the epoch of this message is the sender's, and was not the request's. */
  | { readonly kind: 'otherRing'; readonly request: RequestId | undefined }
  | { readonly kind: 'askRing' }
  /** A `RingRecord`, if the sender is sound: it is checked by who takes it. */
  | { readonly kind: 'ring'; readonly record: unknown }
  /** The digests of whole ranges, named by their starts. At most `MAX_ROOTS`. */
  | { readonly kind: 'askRoots'; readonly starts: readonly Position[] }
  /** Those that the sender has a tree of; two words each. */
  | { readonly kind: 'roots'; readonly starts: readonly Position[]; readonly digests: Digests }
  /** Digests within one range. At most `MAX_ASKED_NODES`. */
  | { readonly kind: 'askDigests'; readonly start: Position; readonly nodes: readonly TreeNode[] }
  | {
      readonly kind: 'digests'
      readonly start: Position
      readonly nodes: readonly TreeNode[]
      readonly digests: Digests
    }
  /** Entries of a range, those behind the key `after`. */
  | { readonly kind: 'pull'; readonly start: Position; readonly end: Position; readonly after: string | undefined }
  /** The answer. At most `MAX_PAGE_ENTRIES`, and `MAX_PAGE_BYTES` or one entry. */
  | {
      readonly kind: 'page'
      readonly start: Position
      readonly end: Position
      readonly after: string | undefined
      readonly entries: readonly PagedEntry[]
      readonly isLast: boolean
    }
  /** Learn these; no answer is wanted. The same bounds. */
  | { readonly kind: 'push'; readonly entries: readonly Entry[] }
  /** Promise to accept nothing of a lower ballot for the epoch behind that of this message. */
  | { readonly kind: 'prepare'; readonly ballot: Ballot }
  | { readonly kind: 'promised'; readonly ballot: Ballot; readonly accepted: AcceptedRecord | undefined }
  /** Accept this record for that epoch. It is checked by who takes it. */
  | { readonly kind: 'accept'; readonly ballot: Ballot; readonly record: unknown }
  | { readonly kind: 'accepted'; readonly ballot: Ballot }
  | { readonly kind: 'rejected'; readonly ballot: Ballot; readonly promised: Ballot }
  | { readonly kind: 'gossip'; readonly gossip: GossipMessage }

/** What a node says of itself. */
export interface Facts {
  /** Where its peers reach it, in whatever form they understand. */
  readonly address: string
  /** Of the ring that is on its disk. */
  readonly epoch: number
  /** The last epoch in which it has copied everything that it had to. */
  readonly filled: number
  /** The last epoch in which it has nothing that is not its own. */
  readonly swept: number
  readonly era: number
  /** The era of the oldest thing that it may still send. */
  readonly floor: number
}

/** Which news of a node one has. */
export interface Digest {
  readonly name: string
  readonly life: number
  readonly beat: number
}

/** The news. */
export interface MemberState extends Digest {
  readonly facts: Facts
}

/** Lists have at most `MAX_MEMBERS`. */
export type GossipMessage = { readonly clusterId: string } & (
  | { readonly kind: 'digest'; readonly digests: readonly Digest[] }
  | { readonly kind: 'answer'; readonly states: readonly MemberState[]; readonly wanted: readonly string[] }
  | { readonly kind: 'states'; readonly states: readonly MemberState[] }
)

/** What a node keeps on disk beside keys and hints: small, each under its own name. */
export interface Notes {
  readonly ring: RingRecord
  /** What it promised and accepted for one epoch. */
  readonly register: {
    readonly epoch: number
    readonly promised: Ballot
    readonly accepted: AcceptedRecord | undefined
  }
  readonly progress: Progress
  /** Under what name it takes writes: another one whenever it comes to hold a range, of which it may have forgotten its own. */
  readonly writer: string
  /** It has forgotten writes of its own with counts up to this one: none is given twice. */
  readonly purged: number
  readonly era: number
}

/** How far a node is with what it copies in an epoch. */
export interface Progress {
  readonly epoch: number
  /** Index of the first leg that is not whole; the number of all legs when it is done. */
  readonly leg: number
  /** The last key of that leg that is on disk. */
  readonly after: string | undefined
  /** What came so far. */
  readonly keys: number
  readonly bytes: number
}

/** A write that is kept for a node that did not take it. */
export interface Hint {
  readonly versions: Versions
  readonly era: number
}

export type Event =
  | { readonly kind: 'put'; readonly id: number; readonly put: Put }
  | { readonly kind: 'get'; readonly id: number; readonly get: Get }
  /** Change the ring. Of `lost` nodes, which must not run, nobody expects anything any more. */
  | { readonly kind: 'change'; readonly id: number; readonly change: RingChange; readonly lost: readonly string[] }
  /** Compare everything that this node holds with all others that hold it, now. */
  | { readonly kind: 'repair'; readonly id: number }
  | { readonly kind: 'message'; readonly from: string; readonly message: Message }
  /** All writes up to that number are on disk. */
  | { readonly kind: 'persisted'; readonly write: number }
  /** Time has passed: one tick. */
  | { readonly kind: 'tick' }

/** What the driver does, in order; writes become durable in that order too. What a persist changes can be read from `VersionStore` at once. */
export type Effect =
  /** Undefined versions remove the key. */
  | { readonly kind: 'persist'; readonly write: number; readonly key: string; readonly versions: Versions | undefined }
  /** Undefined ends the hint. */
  | {
      readonly kind: 'persistHint'
      readonly write: number
      readonly target: string
      readonly key: string
      readonly hint: Hint | undefined
    }
  /** Those that are there replace those of the same name. */
  | { readonly kind: 'persistNotes'; readonly write: number; readonly notes: Partial<Notes> }
  | { readonly kind: 'send'; readonly to: string; readonly message: Message }
  | { readonly kind: 'reply'; readonly id: number; readonly outcome: Outcome }

/** What a node has stored, newest first: what was given to `persist` and is not on disk yet counts. */
export interface VersionStore {
  get(key: string): Versions | undefined
  /**
   * Entries whose places are in the range, in the order of `compareKeys`, those behind the key `after`, at most `limit` of them.
   * None if there are no more. The key `after` need not be there.
   */
  scan(range: TokenRange, after: string | undefined, limit: number): readonly Entry[]
}

export interface StoreOptions {
  readonly name: string
  /** Nodes of another cluster are not heard. */
  readonly clusterId: string
  /** Where peers reach this node; they pass it on and do not look at it. */
  readonly address?: string
  /** Above that of every earlier life of this node; on disk before this one begins. */
  readonly life: number
  readonly store: VersionStore
  readonly random: Random
  /** What is on disk. A founder of a cluster has `foundingRecord` as its note `ring`; who joins one has nothing. */
  readonly notes?: Partial<Notes>
  /** Hints that are on disk, by the node they are for and the key. */
  readonly hints?: ReadonlyMap<string, ReadonlyMap<string, Hint>>
  /** Nodes of the cluster, for one that joins. */
  readonly seeds?: readonly string[]
  /** A request ends after so many ticks: at least 2; 20 unless told. */
  readonly requestTicks?: number
  /** A replica that has not taken a write for so many ticks gets a hint; 5 unless told. Below `requestTicks`. */
  readonly hintTicks?: number
  /** Hints are offered anew every so many ticks; 20 unless told. */
  readonly offerTicks?: number
  /** Ticks between heartbeats; 5 unless told. */
  readonly gossipTicks?: number
  /** Replicas compare some of their ranges every so many ticks; 50 unless told. */
  readonly syncTicks?: number
  /** An era lasts so many ticks at least, and a tombstone 5 of them; 200 unless told. */
  readonly eraTicks?: number
  /** How many entries are read, copied or released a tick, of each; from 1 to `MAX_PAGE_ENTRIES`, which it is unless told. */
  readonly entriesPerTick?: number
  /** Of values, keys and what is known of them: what a newcomer copies a tick, on average; 256 KiB unless told. */
  readonly streamBytesPerTick?: number
  /** Every range has 2^treeDepth leaves; 6 unless told. */
  readonly treeDepth?: number
  readonly mutant?: Mutant | undefined
}

/** Requests of one node that are under way; more are refused. */
export const MAX_REQUESTS = 10_000
/** Hints that one node keeps. What does not fit is left to read repair and anti-entropy. */
export const MAX_HINTS = 100_000
/** Hints that are offered to one node at once. */
export const MAX_OFFERED = 64
/** Ranges that are compared in one message. */
export const MAX_ROOTS = 512
/** Of a page, and of a push. */
export const MAX_PAGE_ENTRIES = 256
/** About what a page takes at most, unless it has one entry. */
export const MAX_PAGE_BYTES = 256 * 1024
/** Ranges that a newcomer copies at once. */
export const MAX_PULLS = 8
/** Nodes that gossip is about. */
export const MAX_MEMBERS = 4096
/** Tombstones whose end a node looks for at once. */
export const MAX_TOMBSTONES = 100_000

/** What an operator wants to know of a node. */
export interface StoreStatus {
  readonly epoch: number
  readonly phase: RingRecord['phase']
  /** Whether it has a part in the ring, or in the one that is coming. One that has none, and is `swept`, may be switched off. */
  readonly isMember: boolean
  /** It has nothing that is not its own. */
  readonly isSwept: boolean
  /** Why it cannot serve, ever. */
  readonly problem: string | undefined
  /** Requests of clients and nodes that are under way. */
  readonly requests: number
  /** Writes that wait for the node they are for. */
  readonly hints: number
  /** What it copies in this epoch, range by range and source by source; undefined if it copies nothing. */
  readonly moves:
    | { readonly moves: number; readonly done: number; readonly keys: number; readonly bytes: number }
    | undefined
  /** Comparisons with peers that it began, and keys that were different in them. */
  readonly repairs: { readonly sessions: number; readonly keys: number }
  /** Deleted keys that it still remembers, and those that it has forgotten in this life. */
  readonly tombstones: { readonly kept: number; readonly ended: number }
  readonly era: number
  /** Messages of other clusters. */
  readonly strangers: number
}
