// Whose token is where: what a new node takes, and who gets what a leaving node had.
//
// Tokens at random, as in the papers, leave a node with 128 of them 9 % more or less than its part (one standard deviation), and
// a new one takes as much too much or too little. Here a new token takes the beginning of the largest range of whoever has most above
// his part, so much as one token of the new node should hold. So nothing moves between old nodes, and all come to their
// parts. Cassandra chooses tokens by what is there, too (CASSANDRA-7032). The tokens of a node depend on who was there before it:
// they are part of what peers tell each other about a ring (DeCandia et al., "Dynamo", SOSP 2007, §4.8.1), see `Ring.describe`.
import { assert } from '../../base/errors.ts'
import { positionOf } from './hash.ts'
import { type Position, RING_SIZE } from './types.ts'

/** All tokens, ascending, and the node of each. */
export interface PlacedTokens {
  readonly tokens: Float64Array
  readonly owners: Uint32Array
}

/** A range of the ring, by the token at its end. */
interface Piece {
  readonly token: Position
  size: number
}

interface Holder {
  readonly weight: number
  /** A heap, the largest on top. */
  readonly pieces: Piece[]
  /** The size of all pieces. */
  held: number
}

/** The tokens of a ring while nodes are added. */
export class Placement {
  private readonly holders: Holder[]
  private totalWeight = 0

  /** @param weights - Of the nodes that are there, in their order. */
  constructor(weights: readonly number[], { tokens, owners }: PlacedTokens) {
    this.holders = weights.map((weight) => ({ weight, pieces: [], held: 0 }))
    for (const weight of weights) this.totalWeight += weight
    for (const { owner, ...piece } of piecesOf(tokens, owners)) give(this.holders[owner] as Holder, piece)
  }

  /** Adds a node. @param count - How many tokens it gets. O(nodes + count log tokens). */
  add({ name, weight }: { readonly name: string; readonly weight: number }, count: number): void {
    const holder: Holder = { weight, pieces: [], held: 0 }
    this.totalWeight += weight
    if (this.holders.length === 0) scatter(holder, name, count)
    else this.take(holder, count)
    this.holders.push(holder)
  }

  finish(): PlacedTokens {
    return sorted(this.holders.flatMap(({ pieces }, owner) => pieces.map(({ token }) => ({ token, owner }))))
  }

  private take(taker: Holder, count: number): void {
    // What each node has above its part: together what the taker should hold.
    const donors = this.holders.map((holder) => ({ holder, excess: holder.held - this.partOf(holder) }))
    heapify(donors, isRicher)
    let wanted = this.partOf(taker)
    for (let left = count; left > 0; left--) {
      const donor = donors[0]
      const piece = donor?.holder.pieces[0]
      assert(donor !== undefined && piece !== undefined, 'somebody has a range to give from')
      const size = Math.max(1, Math.floor(wanted / left))
      const taken = takeFrom(donor.holder, piece, size)
      if (taken === undefined) break
      give(taker, taken)
      wanted -= taken.size
      donor.excess -= taken.size
      sink(donors, 0, isRicher)
    }
    assert(taker.pieces.length > 0, 'a new node has a range')
  }

  private partOf({ weight }: Holder): number {
    return Math.floor((weight / this.totalWeight) * RING_SIZE)
  }
}

/**
 * Gives away what the node `gone` has. A range goes to whom the next token belongs, and the token is gone, as long as that leaves
 * him at or below his part; else it goes, with its token, to the node that lacks most. So all come to their parts, and a ring
 * that nodes come to and go from does not fill with tokens.
 * O(tokens + tokens of the node log nodes).
 * @param weights - Of all nodes, `gone` among them. @returns Owners as they were numbered before.
 */
export function placeWithout(gone: number, weights: readonly number[], { tokens, owners }: PlacedTokens): PlacedTokens {
  const heirs = Uint32Array.from(owners)
  const held = weights.map(() => 0)
  const left: (Piece & { readonly index: number })[] = []
  let index = 0
  for (const { owner, ...piece } of piecesOf(tokens, owners)) {
    if (owner === gone) left.push({ ...piece, index })
    else held[owner] = (held[owner] as number) + piece.size
    index++
  }
  const totalWeight = weights.reduce((sum, weight, node) => (node === gone ? sum : sum + weight), 0)
  const lacks = held.map((size, node) => ({ node, lack: ((weights[node] as number) / totalWeight) * RING_SIZE - size }))
  const needy = lacks.filter(({ node }) => node !== gone)
  if (needy.length === 0) return { tokens: new Float64Array(0), owners: new Uint32Array(0) }
  heapify(needy, isNeedier)
  left.sort((a, b) => (isLarger(a, b) ? -1 : 1))
  for (const piece of left) {
    const next = lacks[nextOwner(piece.index, gone, owners)] as (typeof lacks)[number]
    const heir = next.lack >= piece.size ? next : (needy[0] as (typeof lacks)[number])
    heir.lack -= piece.size
    heirs[piece.index] = heir.node
    heapify(needy, isNeedier)
  }
  // A token of the leaving node says nothing if the next one belongs to the same node now.
  const stays = heirs.map((heir, at) => (owners[at] === gone && heirs[(at + 1) % heirs.length] === heir ? 0 : 1))
  return { tokens: tokens.filter((_, at) => stays[at] === 1), owners: heirs.filter((_, at) => stays[at] === 1) }
}

/** The owner of the first token after that index that is not of `gone`. */
function nextOwner(index: number, gone: number, owners: Uint32Array): number {
  let at = (index + 1) % owners.length
  while (owners[at] === gone) at = (at + 1) % owners.length
  return owners[at] as number
}

/** The range before each token, in order of the tokens. */
function* piecesOf(tokens: Float64Array, owners: Uint32Array): Generator<Piece & { readonly owner: number }> {
  let before = (tokens.at(-1) ?? 0) - RING_SIZE
  for (const [index, token] of tokens.entries()) {
    yield { token, size: token - before, owner: owners[index] as number }
    before = token
  }
}

/** The tokens of the first node: they lie where its name says. */
function scatter(holder: Holder, name: string, count: number): void {
  const places = new Set<Position>()
  for (let i = 0; places.size < count; i++) places.add(positionOf(`${name}#${i}`))
  const tokens = Float64Array.from(places).sort()
  for (const { owner: _, ...piece } of piecesOf(tokens, new Uint32Array(tokens.length))) give(holder, piece)
}

/**
 * Takes the beginning of a range, or all of it if it is no larger than what is wanted and not the last one of its node.
 * @returns Undefined if the range cannot be divided any more.
 */
function takeFrom(holder: Holder, piece: Piece, size: number): Piece | undefined {
  if (piece.size <= size && holder.pieces.length > 1) {
    holder.held -= piece.size
    const last = holder.pieces.pop() as Piece
    if (last !== piece) {
      holder.pieces[0] = last
      sink(holder.pieces, 0, isLarger)
    }
    return piece
  }
  const part = piece.size > size ? size : Math.floor(piece.size / 2)
  if (part === 0) return undefined
  const start = piece.token - piece.size
  piece.size -= part
  holder.held -= part
  sink(holder.pieces, 0, isLarger)
  const end = start + part
  return { token: end < 0 ? end + RING_SIZE : end, size: part } // numbers above 2^53 would be rounded
}

function give(holder: Holder, piece: Piece): void {
  holder.held += piece.size
  rise(holder.pieces, piece, isLarger)
}

function sorted(placed: { readonly token: Position; readonly owner: number }[]): PlacedTokens {
  placed.sort((a, b) => a.token - b.token)
  return {
    tokens: Float64Array.from(placed, ({ token }) => token),
    owners: Uint32Array.from(placed, ({ owner }) => owner),
  }
}

/** Of ranges of one size, low digits decide, which are as good as random: neighbours are not cut one after the other. */
function isLarger(a: Piece, b: Piece): boolean {
  if (a.size !== b.size) return a.size > b.size
  const [low, otherLow] = [a.token % 2 ** 20, b.token % 2 ** 20]
  return low === otherLow ? a.token < b.token : low < otherLow
}

/** Equals need no order: donors begin in that of joining, so the same is done for the same ring. */
function isRicher(a: { excess: number }, b: { excess: number }): boolean {
  return a.excess > b.excess
}

function isNeedier(a: { node: number; lack: number }, b: { node: number; lack: number }): boolean {
  return a.lack === b.lack ? a.node < b.node : a.lack > b.lack
}

// ---- Heaps in arrays: each element is before those at 2 i + 1 and 2 i + 2 ----

function heapify<T>(heap: T[], isBefore: (a: T, b: T) => boolean): void {
  for (let at = (heap.length >>> 1) - 1; at >= 0; at--) sink(heap, at, isBefore)
}

function rise<T>(heap: T[], item: T, isBefore: (a: T, b: T) => boolean): void {
  let at = heap.push(item) - 1
  while (at > 0) {
    const parent = (at - 1) >>> 1
    if (!isBefore(item, heap[parent] as T)) break
    heap[at] = heap[parent] as T
    at = parent
  }
  heap[at] = item
}

function sink<T>(heap: T[], from: number, isBefore: (a: T, b: T) => boolean): void {
  const item = heap[from] as T
  let at = from
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1] as T, heap[child] as T)) child++
    if (!isBefore(heap[child] as T, item)) break
    heap[at] = heap[child] as T
    at = child
  }
  heap[at] = item
}
