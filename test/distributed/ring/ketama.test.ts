// Keys lie where clients of memcached look for them: the package hashring is one of these.
import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { KetamaRing } from '../../../ts/distributed/ring/index.ts'
import { codeOf } from '../../support/errors.ts'

/** What is used of it: it has no types of its own. */
type HashRing = new (
  servers: Record<string, { weight: number }>,
  algorithm: string,
) => { get(key: string): string; size: number }
const require = createRequire(import.meta.url)
const HashRing = require('hashring') as HashRing

const LISTS: readonly Record<string, { weight: number }>[] = [
  { '10.0.1.1:11211': { weight: 1 } },
  Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`10.0.1.${i + 1}:11211`, { weight: 1 }])),
  { '10.0.1.1:11211': { weight: 600 }, '10.0.1.2:11211': { weight: 300 }, '10.0.1.3:11211': { weight: 200 } },
  { '10.0.1.1:11212': { weight: 1 }, '10.0.1.2:11213': { weight: 2 }, '10.0.1.3:11214': { weight: 5 } },
]

describe('ketama', () => {
  it.each(LISTS)('puts keys where hashring puts them: %j', (list) => {
    const servers = Object.entries(list).map(([name, { weight }]) => ({ name, weight }))
    const [ours, theirs] = [new KetamaRing(servers), new HashRing(list, 'md5')]
    expect(ours.pointCount).toBe(theirs.size)
    const keys = Array.from({ length: 5000 }, (_, i) => `${i % 3 === 0 ? 'user' : 'sitzung-ü'}:${i * 7919}`)
    expect(keys.filter((key) => ours.nodeOf(key) !== theirs.get(key))).toEqual([])
  })

  it('gives each server of one weight 160 points, and thirds come out whole', () => {
    for (let count = 1; count <= 30; count++) {
      const servers = Array.from({ length: count }, (_, i) => ({ name: `s${i}`, weight: 3 }))
      expect(new KetamaRing(servers).pointCount).toBe(160 * count)
    }
  })

  it('takes bytes and text alike, and knows nobody without servers', () => {
    const ring = new KetamaRing([{ name: 'a' }, { name: 'b' }])
    for (const key of ['', 'k', 'schlüssel']) expect(ring.nodeOf(new TextEncoder().encode(key))).toBe(ring.nodeOf(key))
    expect(new KetamaRing([]).nodeOf('key')).toBeUndefined()
  })

  it('refuses a server twice, and weights that cannot be', () => {
    expect(codeOf(() => new KetamaRing([{ name: 'a' }, { name: 'a' }]))).toBe('INVALID_INPUT')
    expect(codeOf(() => new KetamaRing([{ name: 'a', weight: -1 }]))).toBe('INVALID_INPUT')
    expect(codeOf(() => new KetamaRing('a' as never))).toBe('INVALID_INPUT')
  })
})
