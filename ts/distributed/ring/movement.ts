// What has to be copied when a ring changes: for each part of the ring, to whom, and from whom.
import { BedplateError } from '../../base/errors.ts'
import { checkOptions } from '../../base/options.ts'
import { checkReplicaCount } from './check.ts'
import { type Position, RING_SIZE, type Ring, type TokenRange } from './types.ts'

/** One range that a node needs and has not. */
export interface RangeMove extends TokenRange {
  /** The node of the new ring that needs it. */
  readonly to: string
  /**
   * Who has it, all of the old ring's replicas that are not down. The first is the one to ask: chosen so that all nodes send about
   * as much. Empty if there is none: what lay there is lost, or waits until one of them is back.
   */
  readonly from: readonly string[]
  /** The old replica whose place it takes, down or not: with what that one has, as many replicas know a write as before. Undefined if it takes none's. */
  readonly instead: string | undefined
}

/** One range that a node has and needs no longer, once the moves are done. */
export interface RangeRelease extends TokenRange {
  readonly node: string
}

/** How to come from one ring to another. */
export interface MovementPlan {
  /** In order of the ring; of one range, in order of the new preference list. */
  readonly moves: readonly RangeMove[]
  readonly releases: readonly RangeRelease[]
  /** What part of the ring has another first node: 0 to 1. */
  readonly movedShare: number
  /** How much is copied, in units of the whole ring: with three replicas it can be up to 3. */
  readonly copiedShare: number
  /** What each node that receives something receives, in the same unit. By name, in order of the ring. */
  readonly received: ReadonlyMap<string, number>
}

export interface MovementOptions {
  /** How many nodes hold each key: a whole number of at least 1. */
  readonly replicaCount: number
  /** Nodes that nothing can be copied from. */
  readonly down?: readonly string[]
}

/**
 * Plans the way from one ring to another.
 *
 * No plan copies less: a range goes to exactly those that hold it in `after` and not in `before`, once each.
 * O(tokens of both rings x replicaCount); some milliseconds for thousands of tokens.
 *
 * @returns No moves if both rings place everything alike, or `after` is empty. If `before` is empty there is nothing to copy either.
 * @throws INVALID_INPUT for a `replicaCount` below 1.
 *
 * @example
 * const before = buildRing([{ name: 'a' }, { name: 'b' }, { name: 'c' }])
 * const { moves, movedShare } = planMovement(before, before.with({ name: 'd' }), { replicaCount: 1 })
 * movedShare // 0.25, and every move is to d
 */
export function planMovement(before: Ring, after: Ring, options: MovementOptions): MovementPlan {
  checkOptions(options, { replicaCount: 'number', down: 'any' }, 'planMovement')
  const { replicaCount, down = [] } = options
  checkReplicaCount(replicaCount)
  if (!Array.isArray(down)) throw new BedplateError('INVALID_INPUT', 'planMovement: down must be a list of names')
  const plan = new Plan(new Set<string>(down))
  if (before.nodes.length === 0 || after.nodes.length === 0) return plan.finish()
  const boundaries = boundariesOf(before, after)
  for (const [index, start] of boundaries.entries()) {
    const range = { start, end: boundaries[index + 1] ?? RING_SIZE }
    plan.add(range, before.preferenceListAt(start, replicaCount), after.preferenceListAt(start, replicaCount))
  }
  return plan.finish()
}

/** Where the holder may change: 0 and the tokens of both rings, ascending, each once. */
function boundariesOf(before: Ring, after: Ring): Position[] {
  const starts = new Set<Position>()
  for (const ring of [before, after]) for (const { start } of ring.ranges()) starts.add(start)
  return [...Float64Array.from(starts).sort()]
}

interface OpenMove {
  start: Position
  end: Position
  readonly to: string
  readonly from: string[]
  /** The old list that it was made of: the next range is the same move if its list is the same. */
  readonly holders: readonly string[]
  readonly instead: string | undefined
}

class Plan {
  private readonly down: ReadonlySet<string>
  private readonly moves: OpenMove[] = []
  private readonly releases: { start: Position; end: Position; node: string }[] = []
  /** The last move to each node, and the last release of each: those that may go on. */
  private readonly lastMove = new Map<string, OpenMove>()
  private readonly lastRelease = new Map<string, { start: Position; end: Position; node: string }>()
  private readonly sent = new Map<string, number>()
  private readonly received = new Map<string, number>()
  private movedSize = 0

  constructor(down: ReadonlySet<string>) {
    this.down = down
  }

  add(range: TokenRange, holders: readonly string[], wanted: readonly string[]): void {
    const size = range.end - range.start
    if (holders[0] !== wanted[0]) this.movedSize += size
    const leaving = holders.filter((node) => !wanted.includes(node))
    let joined = 0
    for (const to of wanted) if (!holders.includes(to)) this.move(range, to, holders, leaving[joined++])
    for (const node of leaving) this.release(range, node)
  }

  finish(): MovementPlan {
    let copied = 0
    for (const size of this.received.values()) copied += size
    return {
      moves: this.moves.map(({ start, end, to, from, instead }) => ({ start, end, to, from, instead })),
      releases: this.releases,
      movedShare: this.movedSize / RING_SIZE,
      copiedShare: copied / RING_SIZE,
      received: new Map([...this.received].map(([name, size]) => [name, size / RING_SIZE])),
    }
  }

  private move({ start, end }: TokenRange, to: string, holders: readonly string[], instead: string | undefined): void {
    const size = end - start
    this.received.set(to, (this.received.get(to) ?? 0) + size)
    const last = this.lastMove.get(to)
    if (last?.end === start && last.instead === instead && isSame(last.holders, holders)) {
      last.end = end
      this.countSent(last.from[0], size)
      return
    }
    const from = holders.filter((holder) => !this.down.has(holder))
    const sender = from.reduce<string | undefined>(
      (least, holder) => (least === undefined || this.sentBy(holder) < this.sentBy(least) ? holder : least),
      undefined,
    )
    const others = from.filter((holder) => holder !== sender)
    const move = { start, end, to, from: sender === undefined ? [] : [sender, ...others], holders, instead }
    this.countSent(sender, size)
    this.moves.push(move)
    this.lastMove.set(to, move)
  }

  private release({ start, end }: TokenRange, node: string): void {
    const last = this.lastRelease.get(node)
    if (last?.end === start) {
      last.end = end
      return
    }
    const release = { start, end, node }
    this.releases.push(release)
    this.lastRelease.set(node, release)
  }

  private sentBy(node: string): number {
    return this.sent.get(node) ?? 0
  }

  private countSent(node: string | undefined, size: number): void {
    if (node !== undefined) this.sent.set(node, this.sentBy(node) + size)
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((name, index) => name === b[index]))
}
