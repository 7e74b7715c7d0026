// What a replica knows of one key: which writes it has heard of, and which of them nobody has replaced.
//
// A write is named by a dot: the node that took it and a count of that node's writes to this key. A replica keeps the values that live,
// each with its dot, and one version vector of all writes that it knows of, alive or replaced (Preguiça, Baquero, Almeida, Fonte,
// Gonçalves, "Dotted Version Vectors", 2010; Almeida et al., "Scalable and Accurate Causality Tracking for Eventually Consistent
// Stores", DAIS 2014). So values that clients wrote without knowing of each other stay, side by side, as siblings; and one
// that was replaced never comes back, however late a copy of it arrives.
//
// Two rules are the caller's. A node never names two writes alike: it has a write on disk before anybody else hears of it, and
// a node that has lost or forgotten what it had comes back under a new name. And a client's context is what it has read, nothing else.
import { BedplateError } from '../../../base/errors.ts'
import { MAX_WRITER_LENGTH } from './limits.ts'

/** How many writes of each node to one key are known: all of them up to that count. Nodes that are not in it have none. */
export type VersionVector = ReadonlyMap<string, number>

/** Names one write to one key. */
export interface Dot {
  readonly node: string
  /** From 1. */
  readonly count: number
}

/** A value that nobody who knew of it has replaced. */
export interface Sibling {
  readonly dot: Dot
  /** Undefined if the write was a deletion. */
  readonly value: Uint8Array | undefined
  /** The wall clock of the node that took the write, for those who want the last one only. */
  readonly writtenMs: number
}

/** What a replica knows of one key. Never changed: `write` and `merge` make others. */
export interface Versions {
  /** All writes that are known. */
  readonly context: VersionVector
  /** Those that live, sorted by node and count. */
  readonly siblings: readonly Sibling[]
}

/** How two vectors stand to each other. */
export type Order = 'equal' | 'before' | 'after' | 'concurrent'

/** Writes that know of each other's neither: a client that never reads first makes one a write. */
export const MAX_SIBLINGS = 64
/** Nodes that have ever taken a write to one key. */
export const MAX_VECTOR_NODES = 256
/** Writes of one node to one key. Far from the largest numbers: the next write counts on. */
export const MAX_COUNT: number = 2 ** 52
/** Of an encoded context. */
const MAX_CONTEXT_LENGTH = 100_000

export const NO_CONTEXT: VersionVector = new Map()
/** Of a key that was never written. */
export const NO_VERSIONS: Versions = { context: NO_CONTEXT, siblings: [] }

/** What a node adds to what it knows when it takes a write. */
export interface Write {
  readonly node: string
  readonly value: Uint8Array | undefined
  /** What the client had read: these writes it replaces. Empty if it has read nothing. */
  readonly context: VersionVector
  readonly writtenMs: number
  /** Counts of that node up to this one were given to writes that are forgotten. */
  readonly above?: number
}

/**
 * Takes a write: it replaces the siblings that the client has read, and stands beside those that it has not.
 * @returns What the node knows then, and the name of the write.
 * @throws CONFLICT if there are `MAX_SIBLINGS` that the client has not read, INVALID_INPUT if too many nodes have written the key, or one too often.
 */
export function write(known: Versions, wanted: Write): { versions: Versions; dot: Dot } {
  const { node, value, context, writtenMs, above = 0 } = wanted
  const all = join(known.context, context)
  const dot = { node, count: Math.max(all.get(node) ?? 0, above) + 1 }
  // No node gets there by writing, but the context is what a client says.
  if (dot.count > MAX_COUNT) throw new BedplateError('INVALID_INPUT', `"${node}" can write this key no more`)
  const siblings = known.siblings.filter((sibling) => !covers(context, sibling.dot))
  if (siblings.length >= MAX_SIBLINGS) {
    throw new BedplateError('CONFLICT', `the key has ${siblings.length} values that this write does not replace`, {
      hint: 'read it, make one value of them, and write that with the context that was read',
    })
  }
  all.set(node, dot.count)
  if (all.size > MAX_VECTOR_NODES) {
    throw new BedplateError('INVALID_INPUT', `more than ${MAX_VECTOR_NODES} nodes have written the key`)
  }
  const added: Sibling = { dot, value, writtenMs }
  return { versions: { context: all, siblings: [...siblings, added].sort(byDot) }, dot }
}

/** What two replicas know together. Commutative, associative, idempotent: copies may come in any order and any number of times. */
export function merge(a: Versions, b: Versions): Versions {
  if (a === b) return a
  const siblings = a.siblings.filter((each) => hasDot(b, each.dot) || !covers(b.context, each.dot))
  for (const each of b.siblings) if (!covers(a.context, each.dot)) siblings.push(each)
  return { context: join(a.context, b.context), siblings: siblings.sort(byDot) }
}

/** Whether two replicas know the same. */
export function isSame(a: Versions, b: Versions): boolean {
  return (
    a === b ||
    (compare(a.context, b.context) === 'equal' &&
      a.siblings.length === b.siblings.length &&
      a.siblings.every(({ dot }) => hasDot(b, dot)))
  )
}

/** Whether `a` knows more than `b`, or less, or each something that the other does not. */
export function compare(a: VersionVector, b: VersionVector): Order {
  const [aIsAll, bIsAll] = [includes(a, b), includes(b, a)]
  if (aIsAll) return bIsAll ? 'equal' : 'after'
  return bIsAll ? 'before' : 'concurrent'
}

/** Whether the write of that name is among those of the vector. */
export function covers(context: VersionVector, { node, count }: Dot): boolean {
  return (context.get(node) ?? 0) >= count
}

/** The sibling that was written last by the wall clocks of those who took the writes; undefined if there is none. */
export function lastWrite({ siblings }: Versions): Sibling | undefined {
  let last = siblings[0]
  for (const each of siblings) if (last !== undefined && each.writtenMs >= last.writtenMs) last = each
  return last
}

/** A context as text that clients pass back with their next write: they need not know what it means. */
export function encodeContext(context: VersionVector): string {
  return JSON.stringify([...context].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Reads what a client passes back. @throws INVALID_INPUT if it is none of ours, and for any that is too large. */
export function decodeContext(text: string): VersionVector {
  if (text === '') return NO_CONTEXT
  if (text.length > MAX_CONTEXT_LENGTH) throw notAContext(`it has ${text.length} characters`)
  let pairs: unknown
  try {
    pairs = JSON.parse(text)
  } catch (error) {
    throw notAContext('it is no JSON', error)
  }
  if (!Array.isArray(pairs) || pairs.length > MAX_VECTOR_NODES) throw notAContext('it is no list of at most 256 nodes')
  const context = new Map<string, number>()
  for (const pair of pairs as unknown[]) {
    const [node, count] = Array.isArray(pair) && pair.length === 2 ? (pair as unknown[]) : []
    if (typeof node !== 'string' || node === '' || node.length > MAX_WRITER_LENGTH)
      throw notAContext('a node has no name')
    if (context.has(node)) throw notAContext('a node stands twice')
    if (!Number.isInteger(count) || (count as number) < 1 || (count as number) > MAX_COUNT)
      throw notAContext('a count is none')
    context.set(node, count as number)
  }
  return context
}

function notAContext(problem: string, cause?: unknown): BedplateError {
  return new BedplateError('INVALID_INPUT', `that is no context: ${problem}`, {
    cause,
    hint: 'pass back what the read gave, unchanged, or nothing',
  })
}

function hasDot({ siblings }: Versions, { node, count }: Dot): boolean {
  return siblings.some(({ dot }) => dot.count === count && dot.node === node)
}

function join(a: VersionVector, b: VersionVector): Map<string, number> {
  const joined = new Map(a)
  for (const [node, count] of b) if (count > (joined.get(node) ?? 0)) joined.set(node, count)
  return joined
}

function includes(a: VersionVector, b: VersionVector): boolean {
  for (const [node, count] of b) if ((a.get(node) ?? 0) < count) return false
  return true
}

function byDot(a: Sibling, b: Sibling): number {
  if (a.dot.node !== b.dot.node) return a.dot.node < b.dot.node ? -1 : 1
  return a.dot.count - b.dot.count
}
