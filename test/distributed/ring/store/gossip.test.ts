// Who is there: news reach everybody, the newest life counts, and silence is judged by the silences before it.
import { describe, expect, it } from 'vitest'
import { FailureDetector } from '../../../../ts/distributed/ring/store/failure-detector.ts'
import { Gossip } from '../../../../ts/distributed/ring/store/gossip.ts'
import { seededRandom } from '../../../../ts/io/random.ts'

const FACTS = { address: '', epoch: 1, filled: 0, swept: 0, era: 0, floor: 0 }

/** Nodes that talk to each other, one tick after the other. */
class Circle {
  readonly nodes = new Map<string, Gossip>()
  readonly down = new Set<string>()

  add(name: string, seeds: readonly string[], { life = 1, clusterId = 'one' } = {}): Gossip {
    const options = { name, clusterId, life, facts: { ...FACTS, address: name }, intervalTicks: 2 }
    const gossip = new Gossip({ ...options, random: seededRandom(name.length + life) })
    gossip.meet(seeds)
    this.nodes.set(name, gossip)
    return gossip
  }

  tick(count: number): void {
    for (let i = 0; i < count; i++) {
      const up = [...this.nodes].filter(([name]) => !this.down.has(name))
      const sent = up.flatMap(([from, gossip]) => gossip.tick().map((each) => ({ from, ...each })))
      for (let next = sent.shift(); next !== undefined; next = sent.shift()) {
        const { from, to, gossip } = next
        if (this.down.has(to)) continue
        sent.push(...(this.nodes.get(to)?.receive(from, gossip) ?? []).map((each) => ({ from: to, ...each })))
      }
    }
  }
}

/** Ten nodes that know nobody but the first. */
function circle(): Circle {
  const all = new Circle()
  for (let i = 0; i < 10; i++) all.add(`n${i}`, i === 0 ? [] : ['n0'])
  all.tick(60)
  return all
}

describe('gossip', () => {
  it('makes all known to all, and what they say of themselves', () => {
    const { nodes } = circle()
    for (const gossip of nodes.values()) {
      expect(gossip.members().size).toBe(10)
      for (const [name, { isUp, facts }] of gossip.members()) expect([isUp, facts.address]).toEqual([true, name])
    }
  })

  it('brings news of one to all', () => {
    const all = circle()
    all.nodes.get('n7')?.tell({ epoch: 5 })
    all.tick(40)
    for (const gossip of all.nodes.values()) expect(gossip.factsOf('n7')?.epoch).toBe(5)
  })

  it('convicts who falls silent, and nobody else; and hears him when he is back in a new life', () => {
    const all = circle()
    all.down.add('n3')
    all.tick(400)
    for (const [name, gossip] of all.nodes) {
      if (name === 'n3') continue
      const up = [...gossip.members()].filter(([, { isUp }]) => isUp).map(([each]) => each)
      expect(up.sort()).toEqual([...all.nodes.keys()].filter((each) => each !== 'n3').sort())
    }
    all.down.delete('n3')
    all.add('n3', ['n0'], { life: 2 }) // its heartbeats count from 0 again
    all.tick(60)
    for (const gossip of all.nodes.values()) {
      expect(gossip.isUp('n3')).toBe(true)
      expect(gossip.members().get('n3')?.life).toBe(2)
    }
  })

  it('does not hear nodes of another cluster', () => {
    const all = circle()
    const stranger = all.add('stranger', ['n0'], { clusterId: 'two' })
    all.tick(60)
    expect(stranger.members().size).toBe(1)
    expect(all.nodes.get('n0')?.members().has('stranger')).toBe(false)
    expect(all.nodes.get('n0')?.strangerCount).toBeGreaterThan(0)
  })
})

describe('a failure detector', () => {
  it('is the surer the longer a silence lasts, and the more even those before it were', () => {
    const even = new FailureDetector(4, 0)
    const uneven = new FailureDetector(4, 0)
    for (let i = 1; i <= 200; i++) {
      even.beat(10 * i)
      uneven.beat(10 * i + (i % 2 === 0 ? 8 : 0))
    }
    expect(even.phi(2010)).toBeLessThan(1)
    let before = 0
    for (let tick = 2010; tick < 2100; tick++) {
      expect(even.phi(tick)).toBeGreaterThanOrEqual(before)
      before = even.phi(tick)
    }
    expect(before).toBeGreaterThan(8)
    expect(even.phi(2030)).toBeGreaterThan(uneven.phi(2038))
  })

  it('gives the chance that the normal distribution gives', () => {
    const detector = new FailureDetector(4, 0)
    // Silences of 2 and 6: a mean of 4 and a deviation of 2. Of a normal distribution 15.87 % lie beyond one deviation, 2.275 % beyond two.
    expect(10 ** -detector.phi(6)).toBeCloseTo(0.1587, 3)
    expect(10 ** -detector.phi(8)).toBeCloseTo(0.02275, 3)
  })
})
