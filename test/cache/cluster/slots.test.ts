import { describe, expect, it } from 'vitest'
import { crc16, rangesOf, SLOT_COUNT, showRange, slotOf } from '../../../ts/cache/cluster/slots.ts'
import { seededRandom } from '../../../ts/io/random.ts'
import { RoutedBed } from '../../support/cluster/routed-bed.ts'

describe('slots', () => {
  it('are the CRC16 of the key, as the cluster specification has it', () => {
    expect(crc16('123456789')).toBe(0x31c3)
    expect(crc16('')).toBe(0)
    expect(crc16('\u0000\u00ff')).toBe(0x1ef0)
    // What redis-server 7.0.15 says to CLUSTER KEYSLOT.
    expect(['foo', 'bar', 'a', '', 'user:1'].map(slotOf)).toEqual([12_182, 5061, 15_495, 0, 10_778])
  })

  it('count the first non-empty tag in braces alone', () => {
    expect(slotOf('{user1000}.following')).toBe(slotOf('user1000'))
    expect(slotOf('foo{}{bar}')).toBe(crc16('foo{}{bar}') % SLOT_COUNT)
    expect(slotOf('foo{{bar}}zap')).toBe(slotOf('{bar'))
    expect(slotOf('foo{bar}{zap}')).toBe(slotOf('bar'))
    expect(slotOf('}{a')).toBe(crc16('}{a') % SLOT_COUNT)
    expect(slotOf('x{a')).toBe(crc16('x{a') % SLOT_COUNT)
  })

  it('are written as ranges', () => {
    const ranges = rangesOf((slot) => slot === 0 || (slot > 4 && slot < 8) || slot === SLOT_COUNT - 1)
    expect(ranges.map(showRange)).toEqual(['0', '5-7', '16383'])
    expect(rangesOf(() => false)).toEqual([])
    expect(rangesOf(() => true)).toEqual([{ first: 0, last: 16_383 }])
  })
})

describe('the index of keys by slot', () => {
  it('knows what the database holds, whatever is done to it', () => {
    const random = seededRandom(4)
    const bed = new RoutedBed()
    bed.own(bed.topology.myself, ...Array.from({ length: SLOT_COUNT }, (_, slot) => slot))
    const pick = (): string => `{${Math.floor(random.next() * 5)}}${Math.floor(random.next() * 40)}`
    for (let step = 0; step < 3000; step++) {
      const dice = random.next()
      const key = pick()
      if (dice < 0.5) bed.run(`SET ${key} v${dice < 0.1 ? ' PX 3' : ''}`)
      else if (dice < 0.8) bed.run(`DEL ${key}`)
      else if (dice < 0.9) bed.run(`RENAME ${key} ${key.slice(0, 3)}renamed`)
      else if (dice < 0.99) bed.wait(1)
      else bed.run('FLUSHALL')
    }
    const held = bed.engine.databases[0]?.entries().map(({ key }) => key) ?? []
    const counted = new Map<number, number>()
    for (const key of held) counted.set(slotOf(key), 1 + (counted.get(slotOf(key)) ?? 0))
    expect(held.length).toBeGreaterThan(20)
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const keys = bed.keys.keysIn(slot, 1000)
      if (bed.keys.countIn(slot) !== (counted.get(slot) ?? 0)) expect([slot, keys]).toEqual([slot, counted.get(slot)])
      for (const key of keys) expect([key, slotOf(key)]).toEqual([key, slot])
    }
  })
})
