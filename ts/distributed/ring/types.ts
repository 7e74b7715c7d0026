// What a ring is made of: nodes, options, plans, and their bounds.

/** What is placed on a ring. Text counts as its UTF-8, so a key may be given either way. */
export type Key = string | Uint8Array

/**
 * A place on a ring: a whole number from 0 to 2^53 - 1, the first 53 bits of a 64-bit hash. Numbers of JavaScript hold that many
 * exactly and compare in one instruction; with a million tokens, two share a place once in 16,000 rings, which is allowed for.
 */
export type Position = number

/** One member of a ring. */
export interface RingNode {
  /** Unique in its ring; 1 to 255 characters. */
  readonly name: string
  /** How much it holds, compared with others: 2 means twice as much. Above 0, at most 1000; 1 unless told. */
  readonly weight?: number
  /** Several nodes of one machine fail together; the name of the node unless told. */
  readonly machine?: string
  /** Machines of one zone may fail together; all are in one unless told. */
  readonly zone?: string
}

/** A node with everything that was not told filled in. */
export type KnownNode = Required<RingNode>

/** How a ring is made. */
export interface RingOptions {
  /** Tokens of a node of weight 1, from 1 to 4096; 128 unless told. More make moves finer and the ring larger. */
  readonly virtualNodes?: number
}

/** A part of the ring, half-open: positions from `start` on and below `end`. It never wraps; the last one ends at 2^53. */
export interface TokenRange {
  readonly start: Position
  readonly end: Position
}

/** A node and the token at the end of one of its ranges, as peers tell each other. */
export interface DescribedNode extends KnownNode {
  /** Ascending. The node holds the range that ends before each. */
  readonly tokens: readonly Position[]
}

/** A whole ring as a value that JSON carries. */
export interface RingDescription {
  readonly version: 1
  readonly virtualNodes: number
  /** In the order in which they joined. */
  readonly nodes: readonly DescribedNode[]
}

/** Nodes with their tokens. A value: a change makes another one. `buildRing` and `restoreRing` make the first. */
export interface Ring {
  /** In the order in which they joined. */
  readonly nodes: readonly KnownNode[]
  /** Tokens of a node of weight 1. */
  readonly virtualNodes: number
  /** Tokens of all nodes. */
  readonly tokenCount: number
  /** The node of that name, or undefined. */
  node(name: string): KnownNode | undefined
  /** The name of the node that holds `key`: the first of every preference list. Undefined if the ring is empty. O(length of the key). */
  nodeOf(key: Key): string | undefined
  /** The same for a position, from 0 to 2^53 - 1. O(1). */
  nodeAt(position: Position): string | undefined
  /**
   * The nodes that shall hold copies of `key`, the one that holds it first.
   *
   * Walks the ring upwards and takes every zone once, then every machine once, then nodes of machines that have one already; each
   * in the order of the walk. So the list has min(replicaCount, zones) zones, min(replicaCount, machines) machines, and never a
   * node twice (DeCandia et al., "Dynamo", SOSP 2007, §4.3 and §4.6).
   *
   * @param replicaCount - A whole number of at least 1.
   * @returns min(replicaCount, nodes) names. The array is shared and frozen.
   * @throws INVALID_INPUT if `replicaCount` is no whole number of at least 1.
   * @example
   * const [coordinator, ...replicas] = ring.preferenceList('user:42', 3)
   */
  preferenceList(key: Key, replicaCount: number): readonly string[]
  /** The same for a position. O(1) but for the first time that a token is met, when the walk takes O(nodes of a zone). */
  preferenceListAt(position: Position, replicaCount: number): readonly string[]
  /** The name of the first node from `position` upwards that `accepts`, each node being asked once; undefined if none does. */
  firstFrom(position: Position, accepts: (name: string) => boolean): string | undefined
  /** What part of the ring each node holds; together 1. @returns By name. */
  shares(): Map<string, number>
  /** The ranges of all nodes in order. What lies above the last token comes last, and belongs to the first token. */
  ranges(): Generator<TokenRange & { readonly name: string }>
  /**
   * The ring with one node more. What it takes comes from those who have most above their part; between the others nothing moves.
   * @throws INVALID_INPUT as `buildRing`.
   */
  with(node: RingNode): Ring
  /**
   * The ring without a node. What it had goes to the others so that each comes to its part; between these nothing moves.
   * @throws NOT_FOUND if there is no such node.
   */
  without(name: string): Ring
  /**
   * The ring with a new node in the place of an old one, whose tokens it takes: nothing moves but from one to the other.
   * @param node - Its weight must be that of the old one, or not be told.
   * @throws NOT_FOUND if there is no such node, INVALID_INPUT for a new one that cannot be.
   */
  replace(name: string, node: RingNode): Ring
  /** The ring as a value for JSON: what peers pass on, and what a node keeps on disk. `restoreRing` reads it. */
  describe(): RingDescription
}

export const DEFAULT_VIRTUAL_NODES = 128
export const MAX_VIRTUAL_NODES = 4096
export const MAX_NODES = 65_536
export const MAX_TOKENS = 2 ** 20
export const MAX_WEIGHT = 1000
export const MAX_NAME_LENGTH = 255
/** Positions are below. */
export const RING_SIZE = 2 ** 53
