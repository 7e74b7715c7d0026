// Plans are whole: whoever has to hold a range has it afterwards. And they are small: nothing else is copied.
import { describe, expect, it } from 'vitest'
import { buildRing, type MovementPlan, planMovement, type Ring } from '../../../ts/distributed/ring/index.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { codeOf } from '../../support/errors.ts'

describe('a plan of movement', () => {
  it('brings every range to whom the new ring says, from whom the old ring says, and copies nothing else', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = seededRandom(seed)
      const draw = (most: number): number => 1 + Math.floor(random.next() * most)
      const zones = draw(3)
      const node = (i: number): { name: string; zone: string } => ({ name: `n${i}`, zone: `z${i % zones}` })
      const before = buildRing(
        Array.from({ length: draw(8) }, (_, i) => node(i)),
        { virtualNodes: draw(12) },
      )
      let after: Ring = before
      for (let i = draw(3); i > 0; i--) {
        if (random.next() < 0.5 && after.nodes.length > 1) after = after.without(after.nodes[0]?.name as string)
        else after = after.with(node(100 + i))
      }
      const replicaCount = draw(4)
      const plan = planMovement(before, after, { replicaCount })
      for (const position of placesIn(before, after)) {
        const [old, now] = [
          before.preferenceListAt(position, replicaCount),
          after.preferenceListAt(position, replicaCount),
        ]
        const covering = plan.moves.filter(({ start, end }) => start <= position && position < end)
        const needed = now.filter((name) => !old.includes(name))
        expect(covering.map(({ to }) => to).sort(), `seed ${seed}`).toEqual([...needed].sort())
        for (const { from } of covering) expect([...from].sort()).toEqual([...old].sort())
        const replaced = covering.flatMap(({ instead }) => instead ?? [])
        const leaving = old.filter((name) => !now.includes(name))
        expect(new Set(replaced).size).toBe(Math.min(needed.length, leaving.length)) // each another one's
        expect(leaving).toEqual(expect.arrayContaining(replaced))
        const released = plan.releases.filter(({ start, end }) => start <= position && position < end)
        expect(released.map((each) => each.node).sort()).toEqual(old.filter((name) => !now.includes(name)).sort())
      }
    }
  })

  it('of no change is empty', () => {
    const ring = buildRing([{ name: 'a' }, { name: 'b' }])
    expect(planMovement(ring, ring, { replicaCount: 2 })).toMatchObject({ moves: [], releases: [], movedShare: 0 })
    expect(planMovement(buildRing([]), ring, { replicaCount: 2 }).moves).toEqual([])
    expect(planMovement(ring, buildRing([]), { replicaCount: 2 }).moves).toEqual([])
  })

  it('lets all who can send about as much', () => {
    const before = buildRing(Array.from({ length: 9 }, (_, i) => ({ name: `n${i}` })))
    const plan = planMovement(before, before.without('n4'), { replicaCount: 3, down: ['n4'] })
    const sent = sentBy(plan)
    expect(sent.size).toBe(8)
    expect(Math.max(...sent.values()) / Math.min(...sent.values())).toBeLessThan(1.5)
  })

  it('asks nobody who is down, and says where nobody is left', () => {
    const before = buildRing(Array.from({ length: 6 }, (_, i) => ({ name: `n${i}` })))
    const down = ['n1', 'n2']
    const plan = planMovement(before, before.without('n1').without('n2'), { replicaCount: 2, down })
    expect(plan.moves.some(({ from }) => from.length === 0)).toBe(true)
    expect(plan.moves.some(({ from }) => from.length > 0)).toBe(true)
    for (const { start, from } of plan.moves) {
      expect(from.filter((name) => down.includes(name))).toEqual([])
      expect(from.length === 0).toBe(before.preferenceListAt(start, 2).every((name) => down.includes(name)))
    }
  })

  it('refuses what it does not know', () => {
    const ring = buildRing([{ name: 'a' }])
    expect(codeOf(() => planMovement(ring, ring, { replicaCount: 0 }))).toBe('INVALID_INPUT')
    expect(codeOf(() => planMovement(ring, ring, { replicas: 1 } as never))).toBe('INVALID_INPUT')
    expect(codeOf(() => planMovement(ring, ring, { replicaCount: 1, down: 'a' as never }))).toBe('INVALID_INPUT')
  })
})

/** One place in each range of either ring, and the last one. */
function placesIn(before: Ring, after: Ring): number[] {
  return [...before.ranges(), ...after.ranges()].flatMap(({ start, end }) => [start, end - 1])
}

function sentBy(plan: MovementPlan): Map<string, number> {
  const sent = new Map<string, number>()
  for (const { from, start, end } of plan.moves) {
    const [sender] = from
    if (sender !== undefined) sent.set(sender, (sent.get(sender) ?? 0) + end - start)
  }
  return sent
}
