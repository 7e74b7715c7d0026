// Rendezvous hashing: every node has a score for every key, and the highest has it (Thaler and Ravishankar, "Using Name-Based
// Mappings to Increase Hit Rates", IEEE/ACM Transactions on Networking 6(1), 1998). No tokens, no ranges, perfect spread of what a
// lost node had; but each lookup asks all nodes.
//
// With weights, a score is -weight / ln(u) for u even in (0, 1): the chance to be the highest is the weight's part of all weight
// (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", SPAA 2005).
import { checkNames, checkReplicaCount } from './check.ts'
import { hashKey, mix32 } from './hash.ts'
import type { Key } from './types.ts'

export interface RendezvousNode {
  /** Unique; 1 to 255 characters. */
  readonly name: string
  /** How much it gets, compared with others. Above 0, at most 1000; 1 unless told. */
  readonly weight?: number
}

/**
 * A set of nodes in any order: two with the same nodes and weights agree on everything.
 *
 * @example
 * const nodes = new Rendezvous([{ name: 'a' }, { name: 'b' }, { name: 'c', weight: 2 }])
 * nodes.nodeOf('user:42')
 */
export class Rendezvous {
  private readonly names: readonly string[]
  private readonly weights: Float64Array
  /** Two words of hash a node. */
  private readonly hashes: Int32Array
  private readonly isWeighted: boolean

  /** @throws INVALID_INPUT for names and weights that cannot be, and for a name that stands twice. */
  constructor(nodes: readonly RendezvousNode[]) {
    checkNames(nodes, 'Rendezvous')
    const sorted = [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1))
    this.names = sorted.map(({ name }) => name)
    this.weights = Float64Array.from(sorted, ({ weight = 1 }) => weight)
    this.isWeighted = this.weights.some((weight) => weight !== this.weights[0])
    this.hashes = new Int32Array(2 * sorted.length)
    for (const [index, name] of this.names.entries()) {
      const { high, low } = hashKey(name)
      this.hashes[2 * index] = high
      this.hashes[2 * index + 1] = low
    }
  }

  /** The node of a key; undefined if there is none. O(nodes): some nanoseconds each, ten with weights. */
  nodeOf(key: Key): string | undefined {
    const { high, low } = hashKey(key)
    let best = 0
    let bestScore = Number.NEGATIVE_INFINITY
    for (let index = 0; index < this.names.length; index++) {
      const score = this.score(index, high, low)
      if (score <= bestScore) continue
      best = index
      bestScore = score
    }
    return this.names[best]
  }

  /**
   * The nodes of a key in the order in which they would have it.
   * @param count - A whole number of at least 1. @returns min(count, nodes) names. O(nodes log nodes).
   * @throws INVALID_INPUT for a count below 1.
   */
  preferenceList(key: Key, count: number): string[] {
    checkReplicaCount(count)
    const { high, low } = hashKey(key)
    const scored = this.names.map((name, index) => ({ name, score: this.score(index, high, low) }))
    scored.sort((a, b) => b.score - a.score)
    return scored.slice(0, count).map(({ name }) => name)
  }

  /** Rises with u; equals go to the name that comes first. */
  private score(index: number, high: number, low: number): number {
    const first = mix32((this.hashes[2 * index] as number) ^ low)
    const second = mix32(((this.hashes[2 * index + 1] as number) ^ high) + first)
    const third = mix32(first ^ Math.imul(second, 0x9e3779b1))
    // 53 bits, and a half so that u is never 0.
    const u = ((second >>> 0) * 2 ** 21 + (third >>> 11) + 0.5) / 2 ** 53
    return this.isWeighted ? -(this.weights[index] as number) / Math.log(u) : u
  }
}
