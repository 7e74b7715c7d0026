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

export const DEFAULT_VIRTUAL_NODES = 128
export const MAX_VIRTUAL_NODES = 4096
export const MAX_NODES = 65_536
export const MAX_TOKENS = 2 ** 20
export const MAX_WEIGHT = 1000
export const MAX_NAME_LENGTH = 255
/** Positions are below. */
export const RING_SIZE = 2 ** 53
