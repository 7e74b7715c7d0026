// Who holds a key and who its copies; what a ring refuses; rings as values that peers pass on.
import { describe, expect, it } from 'vitest'
import { buildRing, positionOf, type Ring, type RingNode, restoreRing } from '../../../ts/distributed/ring/index.ts'
import { type Random, seededRandom } from '../../../ts/io/random.ts'
import { codeOf, errorOf } from '../../support/errors.ts'

describe('a ring', () => {
  it('without nodes holds nothing', () => {
    const ring = buildRing([])
    expect(ring.nodeOf('key')).toBeUndefined()
    expect(ring.preferenceList('key', 3)).toEqual([])
    expect([...ring.ranges()]).toEqual([])
    expect(ring.shares()).toEqual(new Map())
  })

  it('of one node gives it everything', () => {
    const ring = buildRing([{ name: 'a' }], { virtualNodes: 1 })
    expect(ring.nodeOf('key')).toBe('a')
    expect(ring.preferenceList('key', 3)).toEqual(['a'])
    expect(ring.shares()).toEqual(new Map([['a', 1]]))
  })

  it('gives a key to the first token above its position', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const ring = drawRing(seededRandom(seed))
      const tokens = ring.describe().nodes.flatMap(({ name, tokens: own }) => own.map((token) => ({ name, token })))
      tokens.sort((a, b) => a.token - b.token)
      const positions = [
        0,
        2 ** 53 - 1,
        ...tokens.map(({ token }) => token),
        ...tokens.map(({ token }) => Math.max(0, token - 1)),
      ]
      for (let i = 0; i < 300; i++) positions.push(positionOf(`${seed}/${i}`))
      for (const position of positions) {
        const expected = tokens.find(({ token }) => token > position) ?? tokens[0]
        expect(ring.nodeAt(position), `seed ${seed}, position ${position}`).toBe(expected?.name)
      }
    }
  })

  it('is the same built at once and node by node', () => {
    const nodes = [{ name: 'a' }, { name: 'b', weight: 3 }, { name: 'c', zone: 'x' }, { name: 'd', weight: 0.1 }]
    const atOnce = buildRing(nodes, { virtualNodes: 20 })
    const oneByOne = nodes.reduce<Ring>((ring, node) => ring.with(node), buildRing([], { virtualNodes: 20 }))
    expect(oneByOne.describe()).toEqual(atOnce.describe())
  })

  it('has ranges that fill it without a gap', () => {
    const ring = buildRing([{ name: 'a' }, { name: 'b' }])
    let end = 0
    for (const range of ring.ranges()) {
      expect(range.start).toBe(end)
      expect(range.end).toBeGreaterThan(range.start)
      expect(ring.nodeAt(range.start)).toBe(range.name)
      expect(ring.nodeAt(range.end - 1)).toBe(range.name)
      end = range.end
    }
    expect(end).toBe(2 ** 53)
  })
})

describe('a preference list', () => {
  it('has as many zones, machines and nodes as there are, and begins with the holder', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed)
      const ring = drawRing(random)
      const all = countsOf(ring.nodes)
      for (let i = 0; i < 50; i++) {
        const wanted = 1 + Math.floor(random.next() * 7)
        const list = ring.preferenceList(`${seed}/${i}`, wanted)
        expect(list[0]).toBe(ring.nodeOf(`${seed}/${i}`))
        const counts = countsOf(list.map((name) => ring.node(name) as RingNode))
        const expected = Object.fromEntries(Object.entries(all).map(([what, count]) => [what, Math.min(count, wanted)]))
        expect(counts, `seed ${seed}`).toEqual(expected)
      }
    }
  })

  it('takes the nearest that a rule allows', () => {
    const list = (zones: string[], count: number): string[] => {
      // Tokens in the order of the names.
      const nodes = zones.map((zone, i) => ({
        name: `n${i}`,
        weight: 1,
        machine: `n${i}`,
        zone,
        tokens: [1000 * (i + 1)],
      }))
      return [...restoreRing({ version: 1, virtualNodes: 1, nodes }).preferenceListAt(0, count)]
    }
    expect(list(['x', 'x', 'x', 'y', 'y'], 3)).toEqual(['n0', 'n3', 'n1'])
    expect(list(['x', 'x', 'y', 'z', 'y'], 3)).toEqual(['n0', 'n2', 'n3'])
    expect(list(['x', 'x', 'x', 'y', 'y'], 5)).toEqual(['n0', 'n3', 'n1', 'n2', 'n4'])
  })

  it('is the same array for the same place: frozen', () => {
    const ring = buildRing([{ name: 'a' }, { name: 'b' }])
    expect(ring.preferenceList('key', 2)).toBe(ring.preferenceList('key', 2))
    expect(Object.isFrozen(ring.preferenceList('key', 2))).toBe(true)
    for (let count = 1; count < 20; count++) expect(ring.preferenceList('key', count)).toHaveLength(Math.min(2, count))
  })

  it.each([0, -1, 1.5, Number.NaN, '2'])('of %j replicas is refused', (count) => {
    const call = (): unknown => buildRing([{ name: 'a' }]).preferenceList('key', count as number)
    expect(codeOf(call)).toBe('INVALID_INPUT')
  })
})

describe('what a ring refuses', () => {
  const refused: [string, () => unknown, string, RegExp][] = [
    ['a name twice', () => buildRing([{ name: 'a' }, { name: 'a' }]), 'INVALID_INPUT', /"a" already/],
    ['no name', () => buildRing([{ name: '' }]), 'INVALID_INPUT', /name/],
    ['a long name', () => buildRing([{ name: 'n'.repeat(256) }]), 'INVALID_INPUT', /255/],
    ['a weight of 0', () => buildRing([{ name: 'a', weight: 0 }]), 'INVALID_INPUT', /weight of "a"/],
    ['a weight that is no number', () => buildRing([{ name: 'a', weight: Number.NaN }]), 'INVALID_INPUT', /weight/],
    ['a misspelt option', () => buildRing([{ name: 'a', wieght: 1 } as RingNode]), 'INVALID_INPUT', /wieght/],
    ['no virtual nodes', () => buildRing([], { virtualNodes: 0 }), 'INVALID_INPUT', /virtualNodes/],
    [
      'too many tokens',
      () =>
        buildRing(
          Array.from({ length: 3 }, (_, i) => ({ name: `${i}`, weight: 1000 })),
          { virtualNodes: 512 },
        ),
      'INVALID_INPUT',
      /tokens/,
    ],
    [
      'a machine in two zones',
      () =>
        buildRing([
          { name: 'a', machine: 'm', zone: 'x' },
          { name: 'b', machine: 'm', zone: 'y' },
        ]),
      'INVALID_INPUT',
      /machine "m"/,
    ],
    ['the removal of a stranger', () => buildRing([{ name: 'a' }]).without('b'), 'NOT_FOUND', /"b"/],
    ['to replace a stranger', () => buildRing([{ name: 'a' }]).replace('b', { name: 'c' }), 'NOT_FOUND', /"b"/],
    [
      'to replace by another weight',
      () => buildRing([{ name: 'a' }]).replace('a', { name: 'c', weight: 2 }),
      'INVALID_INPUT',
      /weight/,
    ],
  ]
  it.each(refused)('is %s', (_, call, code, text) => {
    const error = errorOf(call)
    expect(error?.code).toBe(code)
    expect(error?.message).toMatch(text)
  })
})

describe('the description of a ring', () => {
  it('comes back from JSON as the same ring', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const ring = drawRing(seededRandom(seed))
      const again = restoreRing(JSON.parse(JSON.stringify(ring.describe())))
      expect(again.describe()).toEqual(ring.describe())
      expect(again.with({ name: 'new' }).describe()).toEqual(ring.with({ name: 'new' }).describe())
      for (let i = 0; i < 50; i++) {
        expect(again.preferenceList(`key ${i}`, 3)).toEqual(ring.preferenceList(`key ${i}`, 3))
      }
    }
  })

  it('of a later version is named so', () => {
    expect(codeOf(() => restoreRing({ ...buildRing([]).describe(), version: 2 }))).toBe('INCOMPATIBLE')
  })

  it('is refused or makes a ring that works, whatever others made of it', () => {
    const random = seededRandom(7)
    let refused = 0
    for (let i = 0; i < 1500; i++) {
      const damaged = damage(JSON.parse(JSON.stringify(drawRing(random, 4).describe())), random)
      let ring: Ring
      try {
        ring = restoreRing(damaged)
      } catch (error) {
        expect(['CORRUPTION', 'INCOMPATIBLE']).toContain((error as { code?: string }).code)
        refused++
        continue
      }
      const name = ring.nodeOf('key')
      expect(ring.preferenceList('key', 3)[0]).toBe(name)
      const larger = ring.with({ name: 'newcomer', weight: 0.01 })
      expect(larger.nodes).toHaveLength(ring.nodes.length + 1)
      if (name !== undefined) expect(larger.without(name).node(name)).toBeUndefined()
    }
    expect(refused).toBeGreaterThan(500)
    expect(refused).toBeLessThan(1400)
  })
})

/** Up to twelve nodes on some machines in some zones. */
function drawRing(random: Random, mostVirtualNodes = 16): Ring {
  const zones = 1 + Math.floor(random.next() * 4)
  const machines = 1 + Math.floor(random.next() * 8)
  const count = 1 + Math.floor(random.next() * 12)
  const nodes = Array.from({ length: count }, (_, i) => {
    const machine = Math.floor(random.next() * machines)
    return { name: `n${i}`, machine: `m${machine}`, zone: `z${machine % zones}`, weight: 0.1 + 2 * random.next() }
  })
  return buildRing(nodes, { virtualNodes: 1 + Math.floor(random.next() * mostVirtualNodes) })
}

function countsOf(nodes: readonly RingNode[]): Record<string, number> {
  return {
    nodes: new Set(nodes.map(({ name }) => name)).size,
    machines: new Set(nodes.map(({ machine }) => machine)).size,
    zones: new Set(nodes.map(({ zone }) => zone)).size,
  }
}

const ODD_VALUES: readonly unknown[] = [null, -1, 0, 0.5, 1e300, 2 ** 53, '', 'n0', [], {}, true, 'x'.repeat(300)]

/** Changes one value somewhere in a tree, or takes it away. */
function damage(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.next() < 0.02) {
    return ODD_VALUES[Math.floor(random.next() * ODD_VALUES.length)]
  }
  const keys = Object.keys(value)
  const key = keys[Math.floor(random.next() * keys.length)]
  if (key === undefined) return value
  const holder = value as Record<string, unknown>
  if (random.next() < 0.1 && !Array.isArray(value)) delete holder[key]
  else if (random.next() < 0.5 && typeof holder[key] === 'number') holder[key] = 1 + Math.floor(random.next() * 8)
  else holder[key] = damage(holder[key], random)
  return value
}
