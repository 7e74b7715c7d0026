// A ring as the console draws it: cut into slices so fine that the eye sees no more, however many tokens there are.
import { Layout, type Leg } from '../../distributed/ring/store/layout.ts'
import { readRecord } from '../../distributed/ring/store/ring-state.ts'
import type { RingRecord } from '../../distributed/ring/store/types.ts'
import { RING_SIZE } from '../../distributed/ring/types.ts'

/** What a node says of the ring: see ../../distributed/ring/store/server/http-api.ts. */
export interface RingAnswer extends Omit<RingRecord, 'version'> {
  readonly clusterId: string
  readonly reads: number
  readonly writes: number
  readonly nodes: Readonly<Record<string, string>>
}

/** Neighbours that are alike: how many slices, and what. */
export type Runs = readonly (readonly [count: number, what: number])[]

const SLICES = 1440
/** What a slice is to a node that copies: nothing, on its way, there. */
const [NONE, MOVING, MOVED] = [0, 1, 2]

/** The ring of one epoch. */
export class RingView {
  readonly epoch: number
  /** The names of all who have a part in it, those of the ring that is coming behind the others. */
  readonly names: readonly string[]
  readonly shares: ReadonlyMap<string, number>
  /** Who holds each slice first: places in `names`. */
  readonly owners: Runs
  /** What each newcomer copies, in order. */
  private readonly legs: ReadonlyMap<string, readonly Leg[]>

  /** @throws CORRUPTION for what no node answers */
  constructor({ epoch, phase, replicas, ring, next, lost }: RingAnswer) {
    const state = readRecord({ version: 1, epoch, phase, replicas, ring, next, lost })
    const read = phase === 'switching' && state.next !== undefined ? state.next : state.ring
    const layout = new Layout(state)
    this.epoch = epoch
    this.names = [...new Set([...state.ring.nodes, ...(state.next?.nodes ?? [])].map(({ name }) => name))]
    this.shares = read.shares()
    const owners = Array.from({ length: SLICES }, (_, i) => {
      return this.names.indexOf(read.nodeAt(Math.floor(((i + 0.5) / SLICES) * RING_SIZE)) ?? '')
    })
    this.owners = runsOf(owners)
    this.legs = new Map(layout.newcomers.map((name) => [name, layout.legsOf(name)]))
  }

  /**
   * The ranges that are on their way. A node copies a few at once, so of those that are drawn as done the last ones may be others.
   * @param doneOf - How many of them a node has copied.
   */
  moving(doneOf: (name: string) => number): { readonly name: string; readonly runs: Runs }[] {
    return [...this.legs].map(([name, legs]) => {
      const slices = new Uint8Array(SLICES).fill(NONE)
      const done = doneOf(name)
      for (const [i, { start, end }] of legs.entries()) {
        const last = Math.ceil((end / RING_SIZE) * SLICES)
        for (let slice = Math.floor((start / RING_SIZE) * SLICES); slice < last; slice++) {
          if (i >= done) slices[slice] = MOVING
          else if (slices[slice] === NONE) slices[slice] = MOVED
        }
      }
      return { name, runs: runsOf([...slices]) }
    })
  }
}

function runsOf(slices: readonly number[]): Runs {
  const runs: [number, number][] = []
  for (const what of slices) {
    const last = runs.at(-1)
    if (last?.[1] === what) last[0]++
    else runs.push([1, what])
  }
  return runs
}
