// Which keys two replicas of a range know differently, found by comparing few digests (Merkle, "A Digital Signature Based on a
// Conventional Encryption Function", CRYPTO 1987; DeCandia et al., "Dynamo", SOSP 2007, §4.7).
//
// The range is cut into 2^depth equal leaves. The digest of a leaf is the exclusive or of the digests of its entries, so a
// change costs nothing but the change; the digest of a branch is a hash of its two children's. Nodes are numbered as in a heap: 1 is the root, 2 n
// and 2 n + 1 are below n. Digests have 64 bits and are no protection against peers who lie.
import { assert, BedplateError } from '../../../base/errors.ts'
import type { Hash64 } from '../hash.ts'
import { mix32 } from '../hash.ts'
import { type Position, RING_SIZE, type TokenRange } from '../types.ts'

/** A node of a tree: 1 to 2^(depth + 1) - 1. */
export type TreeNode = number

/** Digests of nodes, two words each, in the order in which they were asked for. */
export type Digests = Uint32Array

/** A million leaves; 16 MiB of digests. */
const MAX_DEPTH = 20
/** In one message, so that it has at most 4 KiB. */
export const MAX_ASKED_NODES = 512

/** A tree over one range of the ring. */
export class MerkleTree {
  readonly range: TokenRange
  readonly depth: number
  /** Two words a node. */
  private readonly words: Uint32Array
  private readonly firstLeaf: number

  /** @throws INVALID_INPUT for an empty range, and a depth that is no whole number from 0 to 20. */
  constructor(range: TokenRange, depth: number) {
    if (!(range.start >= 0 && range.start < range.end && range.end <= RING_SIZE)) {
      throw new BedplateError('INVALID_INPUT', `a tree needs a range of the ring, got ${range.start} to ${range.end}`)
    }
    if (!Number.isInteger(depth) || depth < 0 || depth > MAX_DEPTH) {
      throw new BedplateError('INVALID_INPUT', `depth must be a whole number from 0 to ${MAX_DEPTH}, got ${depth}`)
    }
    this.range = range
    this.depth = depth
    this.firstLeaf = 2 ** depth
    this.words = new Uint32Array(4 * this.firstLeaf)
  }

  /**
   * An entry has changed: takes the old one out and the new one in. O(depth).
   * @param position - Of the key. @param before - The digest of what was known of it; undefined if nothing was. @param after - The same.
   * @throws INVALID_INPUT if the position is not in the range.
   */
  change(position: Position, before: Hash64 | undefined, after: Hash64 | undefined): void {
    const { words } = this
    let node = this.leafOf(position)
    const high = ((before?.high ?? 0) ^ (after?.high ?? 0)) >>> 0
    const low = ((before?.low ?? 0) ^ (after?.low ?? 0)) >>> 0
    words[2 * node] = (words[2 * node] as number) ^ high
    words[2 * node + 1] = (words[2 * node + 1] as number) ^ low
    while (node > 1) {
      node >>>= 1
      this.digest(node)
    }
  }

  /** The digests of some nodes: the answer to a peer's question. @throws INVALID_INPUT for too many, and for one that is not there. */
  answer(nodes: readonly TreeNode[]): Digests {
    if (nodes.length > MAX_ASKED_NODES) {
      throw new BedplateError('INVALID_INPUT', `at most ${MAX_ASKED_NODES} digests can be asked for at once`)
    }
    const digests = new Uint32Array(2 * nodes.length)
    for (const [index, node] of nodes.entries()) {
      if (!Number.isInteger(node) || node < 1 || node >= 2 * this.firstLeaf) {
        throw new BedplateError('INVALID_INPUT', `a tree of depth ${this.depth} has no node ${node}`)
      }
      digests[2 * index] = this.words[2 * node] as number
      digests[2 * index + 1] = this.words[2 * node + 1] as number
    }
    return digests
  }

  /** What a leaf covers; empty where the range has fewer positions than leaves. */
  rangeOf(leaf: TreeNode): TokenRange {
    return { start: this.startOf(leaf - this.firstLeaf), end: this.startOf(leaf - this.firstLeaf + 1) }
  }

  isLeaf(node: TreeNode): boolean {
    return node >= this.firstLeaf
  }

  private leafOf(position: Position): TreeNode {
    const { start, end } = this.range
    if (!(position >= start && position < end)) {
      throw new BedplateError('INVALID_INPUT', `position ${position} is not in the tree's range, ${start} to ${end}`)
    }
    // The product may be rounded: the boundaries decide.
    let index = Math.min(this.firstLeaf - 1, Math.floor(((position - start) / (end - start)) * this.firstLeaf))
    while (position < this.startOf(index)) index--
    while (position >= this.startOf(index + 1)) index++
    return this.firstLeaf + index
  }

  private startOf(index: number): Position {
    const { start, end } = this.range
    if (index >= this.firstLeaf) return end
    return start + Math.floor((end - start) * (index / this.firstLeaf))
  }

  /** The hash of both children; 0 if they are 0, so that an empty tree is empty all over. */
  private digest(node: TreeNode): void {
    const { words } = this
    const [a, b, c, d] = words.subarray(4 * node, 4 * node + 4) as unknown as [number, number, number, number]
    const isEmpty = (a | b | c | d) === 0
    const first = mix32((a + Math.imul(mix32(c ^ 0x9e3779b9), 5)) | 0)
    const second = mix32((b + Math.imul(mix32(d ^ first), 5)) | 0)
    words[2 * node] = isEmpty ? 0 : mix32(first ^ second)
    words[2 * node + 1] = isEmpty ? 0 : second
  }
}

/**
 * Compares a tree with a peer's of the same range and depth, question by question: for d differing leaves at most 2 d depth digests.
 *
 * @example
 * const comparison = new TreeComparison(ours)
 * for (let nodes = comparison.ask(); nodes.length > 0; nodes = comparison.ask()) comparison.take(nodes, theirs.answer(nodes))
 * comparison.differences // ranges to be exchanged
 */
export class TreeComparison {
  private readonly tree: MerkleTree
  /** Nodes whose parents differ; the last one is asked for first, which keeps the list short. */
  private readonly waiting: TreeNode[] = [1]
  private asked: readonly TreeNode[] = []
  private readonly leaves: TreeNode[] = []

  constructor(tree: MerkleTree) {
    this.tree = tree
  }

  /** The next question, of at most `MAX_ASKED_NODES` nodes; the same again until it was answered. Empty if all is known. */
  ask(): readonly TreeNode[] {
    if (this.asked.length === 0) this.asked = this.waiting.splice(Math.max(0, this.waiting.length - MAX_ASKED_NODES))
    return this.asked
  }

  /**
   * Takes an answer. One to a question that is not open is ignored: it was late, or came twice.
   * @throws INVALID_INPUT if it does not fit its question.
   */
  take(nodes: readonly TreeNode[], theirs: Digests): void {
    if (nodes.length !== this.asked.length || nodes.some((node, index) => node !== this.asked[index])) return
    if (theirs.length !== 2 * nodes.length) {
      throw new BedplateError('INVALID_INPUT', `${nodes.length} digests were asked for, and ${theirs.length / 2} came`)
    }
    const ours = this.tree.answer(nodes)
    this.asked = []
    for (const [index, node] of nodes.entries()) {
      if (ours[2 * index] === theirs[2 * index] && ours[2 * index + 1] === theirs[2 * index + 1]) continue
      if (this.tree.isLeaf(node)) this.leaves.push(node)
      else this.waiting.push(2 * node, 2 * node + 1)
    }
  }

  /** The ranges that differ, in order, neighbours put together. Whole once `ask` has nothing more. */
  get differences(): TokenRange[] {
    const ranges: { start: Position; end: Position }[] = []
    for (const leaf of [...this.leaves].sort((a, b) => a - b)) {
      const { start, end } = this.tree.rangeOf(leaf)
      assert(start <= end, 'leaves are in order')
      const last = ranges.at(-1)
      if (last?.end === start) last.end = end
      else ranges.push({ start, end })
    }
    return ranges
  }
}
