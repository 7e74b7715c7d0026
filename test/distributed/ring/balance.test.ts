// How even a ring is, and how little moves when it changes.
import { describe, expect, it } from 'vitest'
import { buildRing, planMovement, type Ring, type RingNode } from '../../../ts/distributed/ring/index.ts'

const KEYS = 1_000_000

describe('a ring of 10 nodes with 128 virtual nodes each', () => {
  it('spreads a million keys: the standard deviation is below 8 % of the mean', () => {
    const ring = buildRing(nodes(10))
    const counts = new Map<string, number>()
    for (let i = 0; i < KEYS; i++) {
      const name = ring.nodeOf(`user:${i}`) as string
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    expect(counts.size).toBe(10)
    expect(deviation(counts.values())).toBeLessThan(0.01) // the hash of keys is what is left of it
  })

  it('spreads copies evenly, too', () => {
    expect(deviation(copies(buildRing(nodes(10)), 3).values())).toBeLessThan(0.08)
  })
})

describe('a ring that changes', () => {
  it.each([1, 2, 3, 5, 10, 33])('of %i nodes gives a new one its part, and nothing moves between old ones', (count) => {
    const before = buildRing(nodes(count))
    const after = before.with({ name: 'new' })
    const plan = planMovement(before, after, { replicaCount: 1 })
    expect([...plan.received.keys()]).toEqual(['new'])
    expect(plan.moves.every(({ to }) => to === 'new')).toBe(true)
    expect(plan.movedShare * (count + 1)).toBeGreaterThan(0.99)
    expect(plan.movedShare * (count + 1)).toBeLessThan(1.01)
    for (let i = 0; i < 20_000; i++) {
      const [old, now] = [before.nodeOf(`key ${i}`), after.nodeOf(`key ${i}`)]
      if (now !== 'new') expect(now).toBe(old)
    }
  })

  it.each([2, 3, 10])('of %i nodes shares out what one had, and nothing else moves', (count) => {
    const before = buildRing(nodes(count))
    for (const { name } of before.nodes) {
      const after = before.without(name)
      const share = before.shares().get(name) as number
      const plan = planMovement(before, after, { replicaCount: 1 })
      expect(plan.movedShare).toBeCloseTo(share, 12)
      expect(plan.moves.every(({ from }) => from[0] === name)).toBe(true)
      expect(deviation(after.shares().values())).toBeLessThan(0.01)
    }
  })

  it('stays even and small however often nodes come and go', () => {
    let ring = buildRing(nodes(10))
    for (let i = 0; i < 40; i++) {
      ring = ring.with({ name: `later ${i}`, weight: 1 + (i % 3) })
      ring = ring.without((ring.nodes[(i * 7) % ring.nodes.length] as RingNode).name)
      for (const [name, share] of ring.shares()) expect(share / partOf(ring, name)).toBeCloseTo(1, 1)
    }
    expect(ring.tokenCount).toBeLessThan(1.5 * 128 * ring.nodes.reduce((sum, { weight }) => sum + weight, 0))
  })

  it('gives whom is named in the place of another exactly what that had', () => {
    const before = buildRing(nodes(5))
    const plan = planMovement(before, before.replace('node 2', { name: 'spare' }), { replicaCount: 3 })
    expect([...plan.received.keys()]).toEqual(['spare'])
    expect(new Set(plan.releases.map(({ node }) => node))).toEqual(new Set(['node 2']))
    expect(plan.movedShare).toBeCloseTo(0.2, 2)
  })
})

describe('weights', () => {
  it('say how much a node gets', () => {
    const weights = [0.25, 1, 1, 2, 4, 0.5]
    const ring = buildRing(weights.map((weight, i) => ({ name: `node ${i}`, weight })))
    for (const [name, share] of ring.shares()) expect(Math.abs(share / partOf(ring, name) - 1)).toBeLessThan(0.02)
  })
})

function nodes(count: number): RingNode[] {
  return Array.from({ length: count }, (_, i) => ({ name: `node ${i}` }))
}

function partOf(ring: Ring, name: string): number {
  return (ring.node(name)?.weight as number) / ring.nodes.reduce((sum, { weight }) => sum + weight, 0)
}

/** What each node holds of all copies. */
function copies(ring: Ring, replicaCount: number): Map<string, number> {
  const sizes = new Map<string, number>()
  for (const { start, end } of ring.ranges()) {
    for (const name of ring.preferenceListAt(start, replicaCount)) sizes.set(name, (sizes.get(name) ?? 0) + end - start)
  }
  return sizes
}

/** The standard deviation as a part of the mean. */
function deviation(values: Iterable<number>): number {
  const all = [...values]
  const mean = all.reduce((sum, value) => sum + value, 0) / all.length
  return Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length) / mean
}
