// Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018): for
// work that any node can do, such as requests to caches. A key goes to its node, or, if that is full, to the next that is not.
import { BedplateError } from '../../base/errors.ts'
import { checkOptions } from '../../base/options.ts'
import { unknownNode } from './check.ts'
import { positionOf } from './hash.ts'
import type { Key, Ring } from './types.ts'

export interface BoundedLoadOptions {
  /**
   * How much more than its part a node may carry: above 1, at most 100; 1.25 unless told. The paper's 1 + ε: nearer to 1 is more
   * even, and more keys go elsewhere: in expectation 1 / ε² nodes are asked for ε below 1.
   */
  readonly factor?: number
}

/**
 * Counts what nodes carry, and gives none too much.
 *
 * When a key is taken, its node carries afterwards at most ⌈factor x m x w⌉, where m is how much is carried by all, this one included,
 * and w the node's part of all weight. What was placed stays where it is when others end, so a node may be above its part for as
 * long as that takes; the paper moves balls then, which work that has begun cannot do.
 *
 * @example
 * const loads = new BoundedLoads(ring)
 * const node = loads.take('user:42')
 * loads.release(node) // when the request has ended
 */
export class BoundedLoads {
  private readonly factor: number
  private ring: Ring
  private readonly loads = new Map<string, number>()
  private carried = 0
  private totalWeight = 0

  /** @throws INVALID_INPUT for a factor that is not above 1. */
  constructor(ring: Ring, options: BoundedLoadOptions = {}) {
    checkOptions(options, { factor: 'number' }, 'BoundedLoads')
    const { factor = 1.25 } = options
    if (!(factor > 1 && factor <= 100)) {
      throw new BedplateError('INVALID_INPUT', `BoundedLoads: factor must be above 1 and at most 100, got ${factor}`, {
        hint: 'with 1.25 no node carries more than a quarter above its part',
      })
    }
    this.factor = factor
    this.ring = ring
    this.changeRing(ring)
  }

  /** Everything that is carried now. */
  get total(): number {
    return this.carried
  }

  /** What a node carries now: 0 for one that nobody knows. */
  loadOf(name: string): number {
    return this.loads.get(name) ?? 0
  }

  /**
   * Gives the work of a key to a node. O(1) in expectation, at most one look at each node.
   * @throws UNAVAILABLE if the ring is empty.
   */
  take(key: Key): string {
    const total = this.carried + 1
    const name = this.ring.firstFrom(positionOf(key), (each) => this.loadOf(each) < this.capacityOf(each, total))
    if (name === undefined) {
      throw new BedplateError('UNAVAILABLE', 'there is no node to take the key', {
        hint: 'the ring is empty: add a node',
      })
    }
    this.loads.set(name, this.loadOf(name) + 1)
    this.carried = total
    return name
  }

  /** Work of a node has ended. @throws INVALID_INPUT if it has none, NOT_FOUND if there is no such node. */
  release(name: string): void {
    const load = this.loads.get(name)
    if (load === undefined && this.ring.node(name) === undefined) throw unknownNode(name, this.ring.nodes)
    if (load === undefined || load === 0) {
      throw new BedplateError('INVALID_INPUT', `"${name}" carries nothing that could end`)
    }
    if (load === 1) this.loads.delete(name)
    else this.loads.set(name, load - 1)
    this.carried--
  }

  /** Goes on with another ring. What nodes carry that are gone from it is still counted, until it ends. */
  changeRing(ring: Ring): void {
    this.ring = ring
    this.totalWeight = ring.nodes.reduce((sum, { weight }) => sum + weight, 0)
  }

  /** The capacities of all nodes are together at least factor x total, so one is always free. */
  private capacityOf(name: string, total: number): number {
    const weight = this.ring.node(name)?.weight ?? 0
    return Math.ceil((this.factor * total * weight) / this.totalWeight)
  }
}
