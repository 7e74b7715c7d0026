// Rendezvous hashing, and consistent hashing with bounded loads.
import { describe, expect, it } from 'vitest'
import { BoundedLoads, buildRing, Rendezvous } from '../../../ts/distributed/ring/index.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { codeOf } from '../../support/errors.ts'

const KEYS = Array.from({ length: 20_000 }, (_, i) => `key ${i}`)

describe('rendezvous hashing', () => {
  const five = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name }))

  it('depends on who is there, not on the order', () => {
    const [one, other] = [new Rendezvous(five), new Rendezvous([...five].reverse())]
    for (const key of KEYS.slice(0, 200)) {
      expect(other.nodeOf(key)).toBe(one.nodeOf(key))
      expect(other.preferenceList(key, 3)).toEqual(one.preferenceList(key, 3))
      expect(one.preferenceList(key, 9)).toHaveLength(5)
      expect(one.preferenceList(key, 1)[0]).toBe(one.nodeOf(key))
    }
  })

  it('spreads what a lost node had over all others, and moves nothing else', () => {
    const [before, after] = [new Rendezvous(five), new Rendezvous(five.slice(1))]
    const gained = new Map<string, number>()
    const wrong: string[] = []
    for (const key of KEYS) {
      const [old, now] = [before.nodeOf(key), after.nodeOf(key) as string]
      if (now !== (old === 'a' ? before.preferenceList(key, 2)[1] : old)) wrong.push(key)
      if (old === 'a') gained.set(now, (gained.get(now) ?? 0) + 1)
    }
    expect(wrong).toEqual([])
    for (const name of ['b', 'c', 'd', 'e']) expect((gained.get(name) as number) / (KEYS.length / 20)).toBeCloseTo(1, 0)
  })

  it.each([[[1, 1, 1, 1]], [[1, 2, 3, 4]], [[0.5, 10, 1, 1]]])('gives nodes what their weights %j say', (weights) => {
    const nodes = new Rendezvous(weights.map((weight, i) => ({ name: `n${i}`, weight })))
    const counts = weights.map(() => 0)
    for (const key of KEYS) {
      const i = Number(nodes.nodeOf(key)?.slice(1))
      counts[i] = (counts[i] as number) + 1
    }
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    for (const [i, weight] of weights.entries()) {
      const expected = (weight / total) * KEYS.length
      expect(Math.abs((counts[i] as number) - expected)).toBeLessThan(5 * Math.sqrt(expected))
    }
  })

  it('refuses what cannot be', () => {
    expect(codeOf(() => new Rendezvous([{ name: 'a' }, { name: 'a' }]))).toBe('INVALID_INPUT')
    expect(codeOf(() => new Rendezvous(five).preferenceList('key', 0))).toBe('INVALID_INPUT')
    expect(new Rendezvous([]).nodeOf('key')).toBeUndefined()
  })
})

describe('bounded loads', () => {
  const ring = buildRing([{ name: 'a' }, { name: 'b' }, { name: 'c', weight: 2 }, { name: 'd' }])

  it('give no node more than its part times the factor, however uneven the keys are', () => {
    for (const factor of [1.05, 1.25, 2]) {
      const loads = new BoundedLoads(ring, { factor })
      for (let i = 0; i < 5000; i++) {
        // Half of the work has one key.
        const name = loads.take(i % 2 === 0 ? 'hot' : `key ${i}`)
        const weight = ring.node(name)?.weight as number
        expect(loads.loadOf(name)).toBeLessThanOrEqual(Math.ceil((factor * loads.total * weight) / 5))
      }
      expect(loads.total).toBe(5000)
    }
  })

  it('go to the node of the key as long as it has room', () => {
    const loads = new BoundedLoads(ring, { factor: 100 })
    for (const key of KEYS.slice(0, 1000)) expect(loads.take(key)).toBe(ring.nodeOf(key))
  })

  it('count what begins and ends, also of nodes that are gone', () => {
    const random = seededRandom(3)
    const loads = new BoundedLoads(ring)
    const running: string[] = []
    for (let i = 0; i < 3000; i++) {
      if (random.next() < 0.45 && running.length > 0) loads.release(running.pop() as string)
      else running.push(loads.take(`key ${i}`))
      if (i === 1500) loads.changeRing(ring.without('a'))
    }
    expect(loads.total).toBe(running.length)
    for (const name of ['a', 'b', 'c', 'd'])
      expect(loads.loadOf(name)).toBe(running.filter((each) => each === name).length)
    for (const name of running) loads.release(name)
    expect(loads.total).toBe(0)
    expect(codeOf(() => loads.release('b'))).toBe('INVALID_INPUT')
    expect(codeOf(() => loads.release('nobody'))).toBe('NOT_FOUND')
  })

  it('refuse a factor that leaves no room, and an empty ring', () => {
    for (const factor of [1, 0, -1, 101, Number.NaN]) {
      expect(codeOf(() => new BoundedLoads(ring, { factor }))).toBe('INVALID_INPUT')
    }
    expect(codeOf(() => new BoundedLoads(buildRing([])).take('key'))).toBe('UNAVAILABLE')
  })
})
