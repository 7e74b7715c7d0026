import { describe, expect, it } from 'vitest'
import { type RingAnswer, RingView, type Runs } from '../../../ts/cli/partitioned-kv/ring-view.ts'
import { buildRing, type Ring } from '../../../ts/distributed/ring/index.ts'

const BEFORE = buildRing(['a', 'b', 'c'].map((name) => ({ name })))
const AFTER = BEFORE.with({ name: 'd' })

function answer(phase: RingAnswer['phase'], next?: Ring): RingAnswer {
  const counts = { clusterId: 'x', replicas: 1, reads: 1, writes: 1, nodes: {} }
  return { ...counts, epoch: 2, phase, ring: BEFORE.describe(), next: next?.describe(), lost: [] }
}

/** What part of the ring is said to be something. */
function partOf(runs: Runs, what: number): number {
  const counts = (wanted: (what: number) => boolean): number =>
    runs.reduce((sum, [count, each]) => sum + (wanted(each) ? count : 0), 0)
  return counts((each) => each === what) / counts(() => true)
}

describe('a ring that is drawn', () => {
  it('gives each node its part', () => {
    const view = new RingView(answer('stable'))
    expect(view.names).toEqual(['a', 'b', 'c'])
    for (const owner of [0, 1, 2]) expect(partOf(view.owners, owner)).toBeCloseTo(1 / 3, 1)
    expect(view.moving(() => 0)).toEqual([])
  })

  it('shows what a newcomer copies, and what of it is there', () => {
    const view = new RingView(answer('streaming', AFTER))
    expect(view.names).toEqual(['a', 'b', 'c', 'd'])
    expect(partOf(view.owners, 3)).toBe(0) // it is not read yet
    const [begun] = view.moving(() => 0)
    expect(begun?.name).toBe('d')
    expect([partOf(begun!.runs, 1) > 0.2, partOf(begun!.runs, 2)]).toEqual([true, 0])
    const [half] = view.moving(() => 20)
    expect(partOf(half!.runs, 2)).toBeGreaterThan(0)
    const [over] = view.moving(() => Number.POSITIVE_INFINITY)
    expect([partOf(over!.runs, 1), partOf(over!.runs, 2) > 0.2]).toEqual([0, true])
  })

  it('is the next one as soon as that is read', () => {
    const view = new RingView(answer('switching', AFTER))
    expect(partOf(view.owners, 3)).toBeCloseTo(1 / 4, 1)
    expect(view.shares.get('d')).toBeCloseTo(1 / 4, 2)
    expect(view.moving(() => 0)).toEqual([])
  })

  it('refuses what no node says', () => {
    expect(() => new RingView({ ...answer('streaming'), replicas: 0 })).toThrow('the record of a ring is broken')
  })
})
